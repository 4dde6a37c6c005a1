package conns

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/sohost/sohost/internal/headline"
)

// TestLine has a handler add a line to each response, on a connection that moves and is hijacked in the end.
func TestLine(t *testing.T) {
	const hijacked = "HTTP/1.1 200 OK\r\n\r\nmine"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !headline.Add(r.Context(), "Line: "+r.URL.Path+"\r\n") {
			t.Error("the connection adds no line")
		}
		if r.URL.Path == "/hijack" {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, hijacked)
			c.Close()
		}
	})
	l := listen(t, "tcp")
	a, b := start(t, "a", options{listen: []net.Listener{l}, handler: handler}), start(t, "b", options{handler: handler})
	c := dial(t, l.Addr())
	for i, of := range []string{"a", "b"} {
		path := []string{"/first", "/second"}[i]
		c.send(get(path))
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if lines := resp.Header["Line"]; resp.Header.Get("Server") != of || len(lines) != 1 || lines[0] != path {
			t.Errorf("%s: the header is %v, want one line of that name, from %s", path, resp.Header, of)
		}
		if of == "a" {
			a.set.Move(b.to())
			a.wait(t)
		}
	}
	c.send(get("/hijack"))
	if got, err := io.ReadAll(c.in); err != nil || string(got) != hijacked {
		t.Errorf("after the connection was taken over: %q, %v", got, err)
	}
}
