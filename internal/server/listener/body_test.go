package listener

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/internal/server/conns"
)

// TestStalledBody sends bodies that stop, or that come slowly, to handlers that read them or don't.
func TestStalledBody(t *testing.T) { synctest.Test(t, stalledBody) }

func stalledBody(t *testing.T) {
	const limit = time.Minute
	read := make(chan error, 1)
	listener := conns.NewQueue(&net.TCPAddr{})
	set := conns.NewSet(time.Hour)
	s := &http.Server{ConnState: set.ConnState, IdleTimeout: time.Hour, Handler: bounded(limit, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ignore" {
				return
			}
			b, err := io.ReadAll(r.Body)
			if r.URL.Path == "/long" { // longer than the limit, once the body is there
				select {
				case <-r.Context().Done():
					err = r.Context().Err()
				case <-time.After(2 * limit):
				}
			}
			read <- err
			w.Write(b)
		}))}
	serving := make(chan error)
	go func() { serving <- s.Serve(set.Listener(listener)) }()
	defer func() {
		s.Close()
		<-serving
	}()
	connect := func() net.Conn {
		mine, theirs := net.Pipe()
		if err := listener.Push(theirs); err != nil {
			t.Fatal(err)
		}
		return mine
	}
	head := func(path string) string { return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n" }

	stalls := connect()
	io.WriteString(stalls, head("/")+"abc")
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading a body that stops: %v", err)
	}
	if _, err := io.ReadAll(stalls); err != nil {
		t.Errorf("the connection isn't closed: %v", err)
	}
	ignored := connect()
	io.WriteString(ignored, head("/ignore")+"abc")
	if _, err := io.ReadAll(ignored); err != nil {
		t.Errorf("with a handler that doesn't read it, the connection isn't closed: %v", err)
	}

	slow := connect()
	for _, path := range []string{"/", "/long"} { // on one connection: a limit is the request's alone
		io.WriteString(slow, head(path))
		for _, b := range []string{"ab", "cd", "ef"} {
			time.Sleep(limit / 2) // slower than the limit in all, and never for as long
			io.WriteString(slow, b)
		}
		if err := <-read; err != nil {
			t.Errorf("%s: a slow body: %v", path, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "abcdef" || err != nil {
			t.Errorf("%s: a slow body is answered with %q, %v", path, b, err)
		}
	}
	if off := bounded(-1, http.NotFoundHandler()); off == nil {
		t.Error("without a limit there is no handler")
	}
	slow.Close()
}
