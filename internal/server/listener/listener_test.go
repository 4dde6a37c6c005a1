package listener

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// newPair returns a certificate for 127.0.0.1.
func newPair(t *testing.T) *certs.Pair {
	p := certstest.New(t, time.Hour)
	return &p
}

// serve serves on a copy of a socket, as one of several processes does.
func serve(t *testing.T, on *net.TCPListener, s Settings, l Limits, h http.Handler) *Server {
	t.Helper()
	f, err := on.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	copied, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(copied, s, l, h, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { server.Accept() })
	tasks.Go(func() { server.Inherit() })
	t.Cleanup(func() {
		server.Close()
		tasks.Wait()
	})
	return server
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// client returns a client of the protocol, and what its URLs begin with.
func client(t *testing.T, on *net.TCPListener, protocol string) (*http.Client, string) {
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	scheme := "https"
	switch protocol {
	case "h1":
		transport.Protocols.SetHTTP1(true)
	case "h2":
		transport.Protocols.SetHTTP2(true)
	case "h2c":
		transport.Protocols.SetUnencryptedHTTP2(true)
		scheme = "http"
	case "h1c":
		transport.Protocols.SetHTTP1(true)
		scheme = "http"
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, scheme + "://" + on.Addr().String()
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestLeave has clients go from one server to another on the same socket, without a failed request and by themselves.
func TestLeave(t *testing.T) {
	pair := newPair(t)
	for _, test := range []struct {
		protocol string
		settings Settings
		version  string
	}{
		{"h1", Settings{Pair: pair}, "HTTP/1.1 true"},
		{"h2", Settings{Pair: pair}, "HTTP/2.0 true"},
		{"h2c", Settings{H2C: true}, "HTTP/2.0 false"},
		{"h1c", Settings{H2C: true}, "HTTP/1.1 false"},
	} {
		t.Run(test.protocol, func(t *testing.T) {
			t.Parallel()
			on := listen(t)
			handler := func(name string) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name, " ", r.Proto, " ", r.TLS != nil) })
			}
			first := serve(t, on, test.settings, Limits{}, handler("first"))
			c, url := client(t, on, test.protocol)
			var served atomic.Int64
			over := make(chan struct{})
			var tasks sync.WaitGroup
			for range 8 {
				tasks.Go(func() {
					for last := ""; ; {
						resp, err := c.Get(url)
						if err != nil {
							t.Errorf("after %d: %v", served.Load(), err)
							return
						}
						b, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						who, version, _ := strings.Cut(string(b), " ")
						if err != nil || version != test.version || who == "first" && last == "second" && test.protocol[:2] == "h2" {
							t.Errorf("after %s: %q, %v", last, b, err)
						}
						last = who
						served.Add(1)
						select {
						case <-over:
							if last != "second" {
								t.Errorf("the last answer is %s's", last)
							}
							return
						default:
						}
					}
				})
			}
			until := func(n int64) {
				for served.Load() < n && t.Context().Err() == nil && !t.Failed() {
					time.Sleep(time.Millisecond)
				}
			}
			until(100)
			second := serve(t, on, test.settings, Limits{}, handler("second"))
			first.StopAccepting()
			first.Leave()
			if err := first.Wait(within(t)); err != nil {
				t.Errorf("the first server: %v", err)
			}
			until(served.Load() + 100)
			close(over)
			tasks.Wait()
			if second.Len() == 0 {
				t.Error("the second server has no connection")
			}
		})
	}
}

// TestStreamsOnTheWay opens a stream after the client was told to leave: it had not read that when it did.
func TestStreamsOnTheWay(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{H2C: true}, Limits{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	c, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	const settings, headers, endHeadersAndStream, goAwayType, data = 4, 1, 5, 7, 0
	io.WriteString(c, preface)
	c.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
	next := func(kind byte) []byte {
		for {
			head := make([]byte, frameHead)
			if _, err := io.ReadFull(c, head); err != nil {
				t.Fatalf("wait for a frame of type %d: %v", kind, err)
			}
			body := make([]byte, binary.BigEndian.Uint32(head)>>8)
			if _, err := io.ReadFull(c, body); err != nil {
				t.Fatal(err)
			}
			if head[3] == kind {
				return body
			}
		}
	}
	next(settings)
	s.Leave()
	if got := next(goAwayType); !bytes.Equal(got, goAway[frameHead:]) {
		t.Fatalf("GOAWAY says %v", got)
	}
	request := frame(headers, endHeadersAndStream, 0)
	block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'} // GET, http, /, authority x
	request[2] = byte(len(block))
	c.Write(append(request, block...))
	if got := next(data); string(got) != "answer" {
		t.Errorf("the answer is %q", got)
	}
}

// TestInTheClear talks plain HTTP to a socket of TLS.
func TestInTheClear(t *testing.T) {
	on := listen(t)
	serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	c, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(c); !strings.Contains(string(b), "400 Bad Request") {
		t.Errorf("the answer is %q", b)
	}
}

// TestMoveUntouched passes connections on of which nothing was read, those for TLS as well, and no others.
func TestMoveUntouched(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	cl, url := client(t, on, "h2")
	if _, err := cl.Get(url); err != nil { // this one stays
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	passed := make(chan string, 10)
	s.Move(func(f *os.File) error {
		if conn, err := net.FileConn(f); err == nil {
			passed <- conn.RemoteAddr().String()
			conn.Close()
		}
		return nil
	})
	select {
	case who := <-passed:
		if who != c.LocalAddr().String() {
			t.Errorf("passed was %s, want %s", who, c.LocalAddr())
		}
	case <-time.After(patience):
		t.Fatal("nothing is passed")
	}
	if resp, err := cl.Get(url); err != nil || resp.ProtoMajor != 2 {
		t.Errorf("on the connection that stays: %v", err)
	}
}

// TestSetPair changes the certificate of a server that runs, and keeps it when the next one is none.
func TestSetPair(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	number := func() string {
		c, err := tls.Dial("tcp", on.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := number()
	if err := s.SetPair(*newPair(t)); err != nil || number() == before {
		t.Errorf("another certificate: %v", err)
	}
	before = number()
	broken := *newPair(t)
	broken.Key = newPair(t).Key
	if err := s.SetPair(broken); err == nil || number() != before {
		t.Errorf("a key of another certificate: %v", err)
	}
}

// TestLastWords has a stream end, as the last of its connection, after the time in which clients could leave: they get the end of it.
func TestLastWords(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"h2", "h2c"} {
		on := listen(t)
		began, end := make(chan struct{}), make(chan struct{})
		settings := Settings{H2C: protocol == "h2c"}
		if !settings.H2C {
			settings.Pair = newPair(t)
		}
		s := serve(t, on, settings, Limits{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "begin ")
			w.(http.Flusher).Flush()
			close(began)
			<-end
			io.WriteString(w, "end")
		}))
		c, url := client(t, on, protocol)
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		<-began
		s.Leave()
		s.CloseIdle()
		close(end)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "begin end" || err != nil {
			t.Errorf("%s: %q, %v", protocol, b, err)
		}
		if err := s.Wait(within(t)); err != nil {
			t.Errorf("%s: the connection stays: %v", protocol, err)
		}
	}
}
