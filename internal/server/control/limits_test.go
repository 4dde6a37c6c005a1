package control

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveLimited serves with limits, until the test ends, and returns a function that connects.
func serveLimited(t *testing.T, l limits, h http.HandlerFunc) (connect func() net.Conn) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(l, h)
	go s.Serve(limitTo(listener, l.connections))
	t.Cleanup(func() { s.Close() })
	return func() net.Conn {
		t.Helper()
		c, err := net.Dial("unix", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second)) // a hang
		return c
	}
}

// TestSlowClients sends headers and bodies that never end. Each client is cut off, and others have their turn.
func TestSlowClients(t *testing.T) {
	short := limits{header: 50 * time.Millisecond, body: 50 * time.Millisecond, connections: 2}
	connect := serveLimited(t, short, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
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
func TestLongAnswer(t *testing.T) {
	short := limits{header: 20 * time.Millisecond, body: 20 * time.Millisecond, connections: 1}
	connect := serveLimited(t, short, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("the request has ended with its limits")
		case <-time.After(200 * time.Millisecond): // ten times the limits
		}
	})
	c := connect()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("it gets %v, %v", resp, err)
	}
}
