package conns

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// readsOfOne counts the reads of a single byte that reach a connection.
type readsOfOne struct {
	net.Listener
	reads atomic.Int64
}

func (l *readsOfOne) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &readingConn{c, l}, err
}

type readingConn struct {
	net.Conn
	of *readsOfOne
}

func (c *readingConn) Read(p []byte) (int, error) {
	if len(p) == 1 {
		c.of.reads.Add(1)
	}
	return c.Conn.Read(p)
}

// TestWatch has handlers that return at once, for which no read ahead reaches the socket, and one that runs until its client has
// gone, which it learns from such a read. Then nobody looks after reads any more.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(&net.UnixAddr{Name: "watched"})
		l := &readsOfOne{Listener: struct{ net.Listener }{q}}
		gone := make(chan bool)
		s := start(t, "server", options{listen: []net.Listener{l}, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-r.Context().Done()
				close(gone)
			}
		})})
		c := push(t, q)
		for range 10 {
			c.send(get("/"))
			c.expect("GET", "server", "")
		}
		if n := l.reads.Load(); n != 0 {
			t.Errorf("%d reads of a byte for handlers that returned at once", n)
		}
		c.send(get("/wait"))
		synctest.Wait() // the handler waits, and so does the read
		c.Close()
		<-gone
		if n := l.reads.Load(); n != 1 {
			t.Errorf("%d reads of a byte for a handler that waited for its client to go", n)
		}
		s.wait(t)
		eventually(t, func() bool { return !s.set.watching.Load() })
	})
}

// TestWatchHijacked reads single bytes of a hijacked connection: no time passes.
func TestWatchHijacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(&net.UnixAddr{Name: "hijacked"})
		server := start(t, "server", options{listen: []net.Listener{struct{ net.Listener }{q}}, handler: http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer nc.Close()
				io.WriteString(nc, "go\n")
				for b := make([]byte, 1); b[0] != '.'; nc.Write(b) {
					if _, err := nc.Read(b); err != nil {
						t.Error(err)
						return
					}
				}
			})})
		c := push(t, q)
		c.send(get("/"))
		if line, err := c.in.ReadString('\n'); line != "go\n" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if server.set.count(func(c *conn) bool { return c.hijacked }) != 1 {
			t.Error("the connection isn't known to be hijacked")
		}
		begun := time.Now()
		for _, b := range "ab." {
			c.send(string(b))
			if got, err := c.in.ReadByte(); rune(got) != b || err != nil {
				t.Errorf("%q, %v, want %q", got, err, b)
			}
		}
		c.expectEnd()
		if took := time.Since(begun); took != 0 {
			t.Errorf("the reads took %v", took)
		}
	})
}
