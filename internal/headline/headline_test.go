package headline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// conn is a connection that adds a line.
type conn struct {
	net.Conn
	line Line
}

func (c *conn) Write(p []byte) (int, error) { return c.line.Write(c.Conn, p) }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &conn{Conn: c}, err
}

// serve serves a handler whose responses get a line, and returns a connection to it.
func serve(t *testing.T, handler http.HandlerFunc) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !Add(r.Context(), "X-Line: here\r\n") {
				t.Error("the connection adds no line")
			}
			handler(w, r)
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return NewContext(ctx, &c.(*conn).line) },
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateHijacked {
				c.(*conn).line.Drop()
			}
		},
	}
	done := make(chan error)
	go func() { done <- server.Serve(listener{l}) }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-done
	})
	return client
}

// TestResponses sends requests of all kinds on one connection, all at once: each response has the line once.
func TestResponses(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Long", long)
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
		case "/missing":
			http.Error(w, "none", http.StatusNotFound)
			return
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
			return
		case "/parts":
			for range 3 {
				io.WriteString(w, "HTTP/1.1 200 OK\r\n")
				w.(http.Flusher).Flush()
			}
			return
		}
		io.WriteString(w, string(body)+long)
	})
	paths := []string{"/", "/header", "/hints", "/missing", "/nothing", "/parts", "/", "/head", "/old"}
	go func() {
		for _, path := range paths {
			switch path {
			case "/head":
				fmt.Fprint(client, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
			case "/old":
				fmt.Fprint(client, "GET / HTTP/1.0\r\n\r\n")
			default:
				fmt.Fprintf(client, "PUT %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody", path)
			}
		}
	}()
	in := bufio.NewReader(client)
	for _, path := range paths {
		resp := next(t, in, path)
		if got := resp.Header["X-Line"]; len(got) != 1 || got[0] != "here" {
			t.Errorf("%s: %s has the lines %q", path, resp.Status, got)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if path == "/header" && (resp.Header.Get("X-Long") != long || string(body) != "body"+long) {
			t.Errorf("%s: the response isn't whole", path)
		}
	}
}

// next returns the next final response.
func next(t *testing.T, in *bufio.Reader, path string) *http.Response {
	t.Helper()
	for {
		request := &http.Request{Method: "PUT"}
		if path == "/head" {
			request.Method = "HEAD"
		}
		resp, err := http.ReadResponse(in, request)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if resp.StatusCode >= 200 {
			return resp
		}
		if resp.Header["X-Line"] != nil {
			t.Errorf("%s: %s has the line", path, resp.Status)
		}
	}
}

// TestHijacked says that what a handler writes to a connection of its own stays as it is.
func TestHijacked(t *testing.T) {
	const raw = "HTTP/1.1 200 OK\r\n\r\n"
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, raw)
		c.Close()
	})
	fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(client); err != nil || string(got) != raw {
		t.Errorf("the client reads %q, %v", got, err)
	}
}

func TestNoLine(t *testing.T) {
	if Add(t.Context(), "X: y\r\n") {
		t.Error("a line for a connection that can't add any")
	}
}

// failing takes some bytes and fails.
type failing int

var errFull = errors.New("full")

func (f failing) Write([]byte) (int, error) { return int(f), errFull }

// TestShort writes to a connection that breaks after each number of bytes.
func TestShort(t *testing.T) {
	const status, rest, text = "HTTP/1.1 200 OK\r\n", "A: b\r\n\r\n", "X: y\r\n"
	for taken := range len(status + text + rest) {
		l := Line{text}
		n, err := l.Write(failing(taken), []byte(status+rest))
		want := taken
		if taken > len(status) {
			want = max(len(status), taken-len(text))
		}
		if n != want || !errors.Is(err, errFull) {
			t.Errorf("%d bytes taken: Write = %d, %v; want %d", taken, n, err, want)
		}
	}
}
