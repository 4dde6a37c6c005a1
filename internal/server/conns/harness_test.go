package conns

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// limit bounds each wait of a test. It is reached only when something is broken.
const limit = time.Minute

// server is a server that puts its name into each response.
type server struct {
	name  string
	set   *Set
	http  *http.Server
	queue *Queue
	idle  chan bool // one element for each of the first responses
}

// options adjust a test's server.
type options struct {
	idle    time.Duration // see NewSet
	adjust  func(*http.Server)
	listen  []net.Listener
	handler http.Handler // default: echo
}

func start(t testing.TB, name string, o options) *server {
	s := &server{name: name, set: NewSet(o.idle), queue: NewQueue(&net.UnixAddr{Name: name}), idle: make(chan bool, 8)}
	handler := o.handler
	if handler == nil {
		handler = http.HandlerFunc(echo)
	}
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", name)
			handler.ServeHTTP(w, r)
		}),
		ConnState: func(nc net.Conn, state http.ConnState) {
			s.set.ConnState(nc, state)
			if state == http.StateIdle {
				select {
				case s.idle <- true:
				default:
				}
			}
		},
		ConnContext: s.set.ConnContext,
		ErrorLog:    log.New(t.Output(), name+": ", 0),
	}
	if o.adjust != nil {
		o.adjust(s.http)
	}
	listeners := append(o.listen, s.queue)
	done := make(chan error)
	for _, l := range listeners {
		go func() { done <- s.http.Serve(s.set.Listener(l)) }()
	}
	t.Cleanup(func() {
		s.http.Close()
		for range listeners {
			if err := <-done; err != http.ErrServerClosed {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.wait(t)
	})
	return s
}

// wait waits until s has no connection.
func (s *server) wait(t testing.TB) {
	t.Helper()
	if err := s.set.Wait(within(t)); err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
}

// within returns a context that bounds a wait.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// to returns a pass function that pushes connections to s.
func (s *server) to() func(*os.File) error {
	return func(f *os.File) error {
		c, err := net.FileConn(f)
		if err != nil {
			return err
		}
		if err := s.queue.Push(c); err != nil {
			c.Close()
			return err
		}
		return nil
	}
}

// echo answers with the body, and with its length in a header.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Length", fmt.Sprint(len(body)))
	w.Write(body)
}

func listen(t testing.TB, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "conns-") // t.TempDir may be too deep for a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// client is one connection that is used by hand: nothing is ever retried.
type client struct {
	t testing.TB
	net.Conn
	in    *bufio.Reader
	limit time.Duration // for each step; 0 on a fake clock, where nothing takes long
}

// renew restarts the time limit for the next step.
func (c *client) renew() {
	if c.limit != 0 {
		c.SetDeadline(time.Now().Add(c.limit))
	}
}

func dial(t testing.TB, addr net.Addr) *client {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, Conn: nc, in: bufio.NewReader(nc), limit: limit}
}

// push returns the other end of a connection that comes from q. It is a pipe, which works with the fake clock of synctest.
func push(t testing.TB, q *Queue) *client {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	if err := q.Push(far); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, Conn: near, in: bufio.NewReader(near)}
}

func (c *client) send(s string) {
	c.t.Helper()
	c.renew()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Errorf("send %.40q: %v", s, err)
	}
}

// expect reads the response to a request and checks its sender and body. An empty name matches any server.
func (c *client) expect(method, name, body string) bool {
	c.t.Helper()
	c.renew()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Errorf("read response: %v", err)
		return false
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Errorf("read body: %v", err)
		return false
	}
	if resp.StatusCode != http.StatusOK || string(got) != body || name != "" && resp.Header.Get("Server") != name {
		c.t.Errorf("status %d and %.40q of %d bytes by %s, want 200 and %.40q of %d bytes by %s",
			resp.StatusCode, got, len(got), resp.Header.Get("Server"), body, len(body), name)
		return false
	}
	return true
}

// expectEnd waits for the server to close the connection.
func (c *client) expectEnd() {
	c.t.Helper()
	c.renew()
	if b, err := c.in.ReadByte(); err != io.EOF {
		c.t.Errorf("read %q, %v, want EOF", b, err)
	}
}

// get and post return the text of a request.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n" }

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func chunked(parts ...string) string {
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

// count returns the number of connections for which ok, called with their mutex held, returns true.
func (s *Set) count(ok func(*conn) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if ok(c) {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// only waits until the set's only connection is in the given phase, and returns it.
func only(t testing.TB, s *Set, p phase) (own *conn) {
	t.Helper()
	eventually(t, func() bool {
		n := s.count(func(c *conn) bool {
			own = c
			return c.phase == p
		})
		return n == 1
	})
	return own
}

// eventually polls until ok returns true, for changes that cause no event to wait for.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatal("the condition was never met")
		}
	}
}
