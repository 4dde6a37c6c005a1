package control

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in synctest's world, where no limit is reached because the machine is busy. Its connections are those of this
// process's user.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }
func (p *pipes) Close() error   { close(p.closed); return nil }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// serveLimited serves with limits, until the test ends, and returns a function that connects.
func serveLimited(t *testing.T, l limits, h http.HandlerFunc) (connect func() net.Conn) {
	t.Helper()
	p := &pipes{make(chan net.Conn, 100), make(chan struct{})}
	s := newServer(l, h)
	s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, os.Getuid())
	}
	done := make(chan error)
	go func() { done <- s.Serve(limitTo(p, l.connections)) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return func() net.Conn {
		mine, theirs := net.Pipe()
		t.Cleanup(func() { mine.Close(); theirs.Close() })
		mine.SetDeadline(time.Now().Add(time.Hour)) // a hang
		p.conns <- theirs
		return mine
	}
}

// TestSlowClients sends headers and bodies that never end. Each client is cut off, and others have their turn.
func TestSlowClients(t *testing.T) { synctest.Test(t, slowClients) }

func slowClients(t *testing.T) {
	connect := serveLimited(t, limits{header: time.Minute, body: time.Minute, connections: 2}, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for _, test := range []struct{ sent, want string }{
		{"", ""},
		{"GET /v1/sta", "HTTP/1.1 400"}, // as net/http has it; or nothing
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 408"},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", "HTTP/1.1 408"},
	} {
		c := connect()
		io.WriteString(c, test.sent)
		answer, err := io.ReadAll(c)
		if err != nil || test.want != "" && len(answer) > 0 && !strings.HasPrefix(string(answer), test.want) {
			t.Errorf("after %q: %q, %v", test.sent, answer, err)
		}
	}
	// More than are served at a time: all of them are in the end.
	var all []net.Conn
	for range 10 {
		all = append(all, connect())
	}
	io.WriteString(all[9], "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	resp, err := http.ReadResponse(bufio.NewReader(all[9]), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the last one gets %v, %v", resp, err)
	}
}

// TestLongAnswer carries out a request that takes longer than any limit.
func TestLongAnswer(t *testing.T) { synctest.Test(t, longAnswer) }

func longAnswer(t *testing.T) {
	const limit = time.Minute
	connect := serveLimited(t, limits{header: limit, body: limit, connections: 1}, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("the request has ended with its limits")
		case <-time.After(10 * limit):
		}
	})
	c := connect()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("it gets %v, %v", resp, err)
	}
}
