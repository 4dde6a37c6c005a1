package supervisor

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sockets/socketstest"
)

// TestMetrics asks for metrics and health while a worker starts, while it serves and while it is being replaced after its death, and with
// more connections than are answered at a time.
func TestMetrics(t *testing.T) {
	address := socketstest.Free(t)
	st := newStage(t, func(o *Options, _ *limits) { o.Metrics = address })
	ask := func(path string) string { t.Helper(); return get(t, "http://"+address+path) }
	none := func(when string) {
		t.Helper()
		if got := ask("/readyz"); got != "503 Service Unavailable no worker serves yet\n" {
			t.Errorf("%s /readyz answers %q", when, got)
		}
		if got := ask("/metrics"); !strings.Contains(got, "\nsohost_ready 0\n") || strings.Contains(got, "\nsohost_release ") {
			t.Errorf("%s /metrics answers %s", when, got)
		}
		if got := ask("/healthz"); got != "200 OK ok\n" {
			t.Errorf("%s /healthz answers %q", when, got)
		}
	}
	st.run()
	p := st.worker()
	none("while the first worker starts")
	p.serve(7)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	if got := ask("/metrics"); !strings.Contains(got, "\nsohost_ready 1\n") || !strings.Contains(got, "\nsohost_release 7\n") {
		t.Errorf("/metrics answers %s", got)
	}
	p.crash("")
	next := st.worker()
	none("after the worker's death")
	next.serve(8)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	http.DefaultClient.CloseIdleConnections()

	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	connect := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
		return c
	}
	for range control.MaxConnections {
		c := connect()
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	c := connect()
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("one connection too many is answered with %d bytes", n)
	}
	idle[0].Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("once another connection is closed: %v", err)
	}
}
