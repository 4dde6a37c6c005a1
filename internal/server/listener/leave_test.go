package listener

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/internal/server/conns"
)

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
					last, ending := "", false
					for {
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
						if ending {
							if last != "second" {
								t.Errorf("the last answer is %s's", last)
							}
							return
						}
						select {
						case <-over: // a request from now on is the second's
							ending = true
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

// Types of frames.
const (
	dataFrame     = 0
	headersFrame  = 1
	settingsFrame = 4
	goAwayFrame   = 7
)

// rawClient is a client of HTTP/2 that decides when it reads.
type rawClient struct {
	t *testing.T
	net.Conn
}

// newRawClient begins to talk.
func newRawClient(t *testing.T, c net.Conn) *rawClient {
	t.Helper()
	r := &rawClient{t, c}
	io.WriteString(c, preface)
	c.Write([]byte{0, 0, 0, settingsFrame, 0, 0, 0, 0, 0})
	r.next(settingsFrame)
	return r
}

// next returns the body of the next frame of a type.
func (c *rawClient) next(kind byte) []byte {
	c.t.Helper()
	for {
		head := make([]byte, frameHead)
		if _, err := io.ReadFull(c, head); err != nil {
			c.t.Fatalf("wait for a frame of type %d: %v", kind, err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head)>>8)
		if _, err := io.ReadFull(c, body); err != nil {
			c.t.Fatal(err)
		}
		if head[3] == kind {
			return body
		}
	}
}

// get opens the first stream.
func (c *rawClient) get() {
	const endHeadersAndStream = 5
	block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'} // GET, http, /, authority x
	request := frame(headersFrame, endHeadersAndStream, 0)
	request[2] = byte(len(block))
	c.Write(append(request, block...))
}

// TestStreamsOnTheWay opens a stream after the client was told to leave: it had not read that when it did.
func TestStreamsOnTheWay(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{H2C: true}, Limits{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	conn, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	c := newRawClient(t, conn)
	s.Leave()
	if got := c.next(goAwayFrame); !bytes.Equal(got, goAway[frameHead:]) {
		t.Fatalf("GOAWAY says %v", got)
	}
	c.get()
	if got := c.next(dataFrame); string(got) != "answer" {
		t.Errorf("the answer is %q", got)
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

// pushed serves connections that are given to dial, which may be of synctest's world.
func pushed(t *testing.T, settings Settings, h http.Handler) (s *Server, dial func() net.Conn) {
	t.Helper()
	s, err := New(conns.NewQueue(&net.TCPAddr{}), settings, Limits{}, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Inherit() }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return s, func() net.Conn {
		mine, theirs := net.Pipe()
		if err := s.Push(theirs); err != nil {
			t.Fatal(err)
		}
		return mine
	}
}

// TestShutdownLastWords has a stream end while the server waits for that. Its client is slow, and gets the end all the same.
func TestShutdownLastWords(t *testing.T) { synctest.Test(t, shutdownLastWords) }

func shutdownLastWords(t *testing.T) {
	end := make(chan struct{})
	s, dial := pushed(t, Settings{H2C: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin")
		w.(http.Flusher).Flush()
		<-end
		io.WriteString(w, "end")
	}))
	c := newRawClient(t, dial())
	c.get()
	c.next(dataFrame)
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context(), FirstRequest) }()
	c.next(goAwayFrame)
	close(end)
	time.Sleep(lastWords * 3 / 4)
	if got := c.next(dataFrame); string(got) != "end" {
		t.Errorf("the end of the stream is %q", got)
	}
	io.Copy(io.Discard, c)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestShutdownConnections shows what becomes of connections of HTTP/1.1 when a server ends: none that was accepted is closed before its
// request was answered. Those that a plugin has taken over stay.
func TestShutdownConnections(t *testing.T) {
	for name, settings := range map[string]Settings{"they can be passed on": {}, "they stay": {H2C: true}} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { shutdownConnections(t, settings) }) })
	}
}

func shutdownConnections(t *testing.T, settings Settings) {
	taken := make(chan net.Conn, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/take" {
			c, _, _ := w.(http.Hijacker).Hijack()
			taken <- c
		}
	})
	on := conns.NewQueue(&net.TCPAddr{})
	s, err := New(on, settings, Limits{}, handler, nil)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error)
	go func() { accepted <- s.Accept() }()
	defer func() {
		s.Close()
		<-accepted
	}()
	dial := func() net.Conn {
		mine, theirs := net.Pipe()
		if err := on.Push(theirs); err != nil {
			t.Fatal(err)
		}
		return mine
	}
	answer := func(c net.Conn, closes bool) {
		t.Helper()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Close != closes {
			t.Errorf("the answer says of the connection's end %v, want %v", resp.Close, closes)
		}
	}
	const begin, end = "GET / HTTP/1.1\r\n", "Host: x\r\n\r\n"
	idle, partial, fresh, silent, hijacked := dial(), dial(), dial(), dial(), dial()
	for _, c := range []net.Conn{idle, partial} {
		io.WriteString(c, begin+end)
		answer(c, false)
	}
	io.WriteString(partial, begin)
	io.WriteString(hijacked, "GET /take HTTP/1.1\r\n"+end)
	kept := <-taken
	defer kept.Close()
	synctest.Wait() // until the server has seen all of that
	since := time.Now()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context(), FirstRequest) }()
	closed := func(c net.Conn, what string, after time.Duration) {
		t.Helper()
		if _, err := io.ReadAll(c); err != nil || time.Since(since) != after {
			t.Errorf("%s is closed after %v, %v; want %v", what, time.Since(since), err, after)
		}
	}
	closed(idle, "an idle connection", 0)
	time.Sleep(time.Second)
	io.WriteString(fresh, begin+end)
	answer(fresh, true)
	closed(fresh, "a new connection", time.Second)
	closed(silent, "a connection without a request", FirstRequest)
	time.Sleep(time.Second)
	io.WriteString(partial, end)
	answer(partial, true)
	closed(partial, "one of whose request a part had come", FirstRequest+time.Second)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Push(kept); err == nil {
		t.Error("a server that has ended takes a connection")
	}
	since = time.Now() // one byte at a time, of which none is held back
	go io.WriteString(hijacked, "abc")
	for _, want := range "abc" {
		b := make([]byte, 1)
		if _, err := kept.Read(b); err != nil || b[0] != byte(want) || time.Since(since) != 0 {
			t.Errorf("a connection that is taken over brings %q, %v, after %v", b, err, time.Since(since))
		}
	}
}

// TestShutdownCut waits for a request for as long as it may.
func TestShutdownCut(t *testing.T) { synctest.Test(t, shutdownCut) }

func shutdownCut(t *testing.T) {
	s, dial := pushed(t, Settings{H2C: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	c := dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	synctest.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Shutdown(ctx, FirstRequest); err != context.DeadlineExceeded {
		t.Errorf("with a request that goes on: %v", err)
	}
}
