package listener

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/internal/server/conns"
)

// reader answers with what it has read, or with why that failed.
var reader = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "too large for the plugin", http.StatusTeapot)
	case errors.Is(err, os.ErrDeadlineExceeded):
		http.Error(w, "too slow for the plugin", http.StatusTeapot)
	default:
		fmt.Fprintf(w, "%d bytes", len(b))
	}
})

// accepting serves connections as if they came by its socket, in synctest's world: no limit is reached because the machine is busy.
func accepting(t *testing.T, settings Settings, l Limits) (s *Server, dial func() net.Conn) {
	t.Helper()
	on := conns.NewQueue(&net.TCPAddr{})
	s, err := New(on, settings, l, reader, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Accept() }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return s, func() net.Conn {
		mine, theirs := net.Pipe()
		t.Cleanup(func() { mine.Close() })
		if err := on.Push(theirs); err != nil {
			t.Fatal(err)
		}
		return mine
	}
}

// TestLimits shows what a client sees that exceeds a limit. Each ends with the end of the connection.
func TestLimits(t *testing.T) {
	limits := Limits{Header: time.Minute, Body: time.Minute, Idle: time.Minute, HeaderBytes: 4 << 10, BodyBytes: 10}
	large := strings.Repeat("x", 16<<10)
	const clear, h2c, secure = "clear", "h2c", "secure"
	for _, test := range []struct {
		name, on, send string
		want           []string // in this order
	}{
		{"nothing", clear, "", nil},
		{"nothing, HTTP/2 permitted", h2c, "", nil},
		{"no handshake", secure, "", nil},
		{"a part of a handshake", secure, "\x16\x03\x01\x02", nil},
		{"no HTTP at all", clear, "\x00\x01\r\n\r\n", []string{"400 Bad Request"}},
		{"a part of a header", clear, "GET / HTTP/1.1\r\nHost:", nil},
		{"a part of a header, HTTP/2 permitted", h2c, "GET / HTTP/1.1\r\nHost:", nil},
		{"a part of the preface of HTTP/2", h2c, preface[:10], []string{"400 Bad Request"}},
		{"a large header", clear, "GET / HTTP/1.1\r\nHost: x\r\nX: " + large + "\r\n\r\n", []string{"431 Request Header Fields Too Large"}},
		{"a connection without a request", clear, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", []string{"200 OK", "0 bytes"}},
		{"a body as large as it may be", clear, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789", []string{"200 OK", "10 bytes"}},
		{"a large body", clear, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n",
			[]string{"413 Request Entity Too Large", "Connection: close", "the body has 11 bytes, and may have 10"}},
		{"a large body of unknown length", clear, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
			[]string{"418 I'm a teapot", "Connection: close", "too large for the plugin"}},
		{"a part of a body", clear, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n0123",
			[]string{"418 I'm a teapot", "Connection: close", "too slow for the plugin"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				settings := map[string]Settings{clear: {}, h2c: {H2C: true}}[test.on]
				if test.on == secure {
					settings.Pair = newPair(t)
				}
				_, dial := accepting(t, settings, limits)
				c := dial()
				c.SetDeadline(time.Now().Add(time.Hour))
				go io.WriteString(c, test.send)
				b, err := io.ReadAll(c)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the connection isn't closed")
				}
				rest := string(b)
				if test.want == nil && rest != "" {
					t.Errorf("the answer is %q, want none", rest)
				}
				for _, want := range test.want {
					_, after, found := strings.Cut(rest, want)
					if !found {
						t.Fatalf("the answer is %q, without %q", b, want)
					}
					rest = after
				}
			})
		})
	}
}

// TestLimitsHTTP2 shows what a client of HTTP/2 sees that exceeds a limit. The connection stays.
func TestLimitsHTTP2(t *testing.T) { synctest.Test(t, limitsHTTP2) }

func limitsHTTP2(t *testing.T) {
	_, dial := accepting(t, Settings{Pair: newPair(t)}, Limits{Body: time.Minute, HeaderBytes: 4 << 10, BodyBytes: 10})
	c, url := http2Client(t, dial)
	post := func(body io.Reader, length int64) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if resp.ProtoMajor != 2 || err != nil {
			t.Errorf("an answer of %s: %v", resp.Proto, err)
		}
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(b)))
	}
	stalled, w := io.Pipe()
	defer w.Close()
	for _, test := range []struct {
		body   io.Reader
		length int64
		want   string
	}{
		{strings.NewReader("0123456789"), 10, "200 10 bytes"},
		{strings.NewReader("01234567890"), 11, "413 the body has 11 bytes, and may have 10"},
		{strings.NewReader("01234567890"), -1, "418 too large for the plugin"},
		{stalled, -1, "418 too slow for the plugin"},
	} {
		if got := post(test.body, test.length); got != test.want {
			t.Errorf("the answer is %q, want %q", got, test.want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", strings.Repeat("x", 16<<10))
	if _, err := c.Do(req); err == nil || !strings.Contains(err.Error(), "larger than peer's advertised limit") {
		t.Errorf("a large header: %v", err)
	}
}

// TestIdleHTTP2 closes a connection of HTTP/2 that has had no request, after it has told its client.
func TestIdleHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := accepting(t, Settings{Pair: newPair(t)}, Limits{Idle: time.Minute})
		c, url := http2Client(t, dial)
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		begun := time.Now()
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it is closed after %v", took)
		}
	})
}

// http2Client returns a client of HTTP/2 over TLS whose connections dial makes, and its URL.
func http2Client(t *testing.T, dial func() net.Conn) (*http.Client, string) {
	transport := &http.Transport{
		Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil },
	}
	transport.Protocols.SetHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, "https://127.0.0.1"
}

// TestPerAddress closes connections at once that are more than an address may have, whoever else has how many.
func TestPerAddress(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{PerAddress: 2}, Limits{}, reader)
	dial := func(from string) (net.Conn, bool) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", on.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = http.ReadResponse(bufio.NewReader(c), nil)
		return c, err == nil
	}
	first, served := dial("127.0.0.1")
	_, second := dial("127.0.0.1")
	_, third := dial("127.0.0.1")
	_, other := dial("127.0.0.2")
	if !served || !second || third || !other || s.Refused() != 1 {
		t.Errorf("served are %v, %v, %v, and of another address %v; refused are %d", served, second, third, other, s.Refused())
	}
	first.Close()
	for deadline := time.Now().Add(patience); s.Len() > 2 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // for the server to notice
	}
	if _, again := dial("127.0.0.1"); !again {
		t.Error("after a connection has ended, there is no room for another")
	}
}

// TestUnix serves a unix socket, whose clients have no address, over TLS.
func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(l, Settings{Pair: newPair(t), PerAddress: 1}, Limits{}, reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Accept() }()
	defer func() {
		s.Close()
		<-done
	}()
	for range 2 {
		c, err := tls.Dial("unix", path, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("the answer is %+v, %v", resp, err)
		}
	}
}
