package conns

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair starts a giver with a listener and a taker, both with the given handler.
func pair(t *testing.T, handler http.HandlerFunc) (giver, taker *server, addr net.Addr) {
	t.Helper()
	l := listen(t, "tcp")
	giver = start(t, "giver", options{listen: []net.Listener{l}, handler: handler})
	taker = start(t, "taker", options{handler: handler})
	return giver, taker, l.Addr()
}

// TestBegun moves when the server has read the first n bytes of a request, for each n: the request must be answered where it
// began, the next one elsewhere. If before is set, the connection has had a request before.
func TestBegun(t *testing.T) {
	request := post("body")
	for _, before := range []bool{false, true} {
		for n := range len(request) {
			giver, taker, addr := pair(t, echo)
			c := dial(t, addr)
			if before {
				c.send(get("/"))
				c.expect("GET", "giver", "")
				only(t, giver.set, between)
			}
			want := "giver"
			if n > 0 {
				c.send(request[:n])
				only(t, giver.set, inRequest)
				giver.set.Move(taker.to())
			} else {
				giver.set.Move(taker.to())
				giver.wait(t)
				want = "taker"
			}
			c.send(request[n:])
			ok := c.expect("POST", want, "body")
			giver.wait(t)
			c.send(post("next"))
			if !c.expect("POST", "taker", "next") || !ok {
				t.Fatalf("moved after %d bytes, with a request before: %v", n, before)
			}
		}
	}
}

// TestPipelined sends a request and the first n bytes of another in one piece, for each n, and moves while the first one runs.
// The server has read them all, so it answers the second; then the connection moves.
func TestPipelined(t *testing.T) {
	seconds := []struct{ method, text, answer string }{
		{"GET", get("/free"), ""},
		{"POST", post("a body"), "a body"},
		{"POST", chunked("a", "b"), "ab"},
	}
	for _, second := range seconds {
		for n := 1; n <= len(second.text); n++ {
			running, release := make(chan bool), make(chan bool)
			giver, taker, addr := pair(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/held" {
					running <- true
					<-release
				}
				echo(w, r)
			})
			c := dial(t, addr)
			c.send(get("/held") + second.text[:n])
			<-running
			giver.set.Move(taker.to())
			release <- true
			ok := c.expect("GET", "giver", "")
			if n < len(second.text) {
				// The rest follows when the server has looked at these bytes. With four of them it has set both deadlines.
				seen := between
				if n >= 4 {
					seen = inRequest
				}
				<-giver.idle
				only(t, giver.set, seen)
				c.send(second.text[n:])
			}
			ok = c.expect(second.method, "giver", second.answer) && ok
			giver.wait(t)
			c.send(get("/"))
			if !c.expect("GET", "taker", "") || !ok {
				t.Fatalf("%d bytes of %q were sent ahead", n, second.text)
			}
		}
	}
}

// TestEarlyByte sends the first bytes of the next request while a handler runs, after the server has read the first request:
// it reads one of them in the background.
func TestEarlyByte(t *testing.T) {
	for _, first := range []string{get("/held"), strings.Replace(post("body"), "/", "/held", 1)} {
		for n := 1; n <= 6; n++ {
			running, release := make(chan bool), make(chan bool)
			giver, taker, addr := pair(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path == "/held" {
					running <- true
					<-release
				}
				w.Write(body)
			})
			c := dial(t, addr)
			c.send(first)
			<-running
			second := post("second")
			c.send(second[:n])
			own := only(t, giver.set, inRequest)
			eventually(t, func() bool { return unread(t, own) == n-1 })
			giver.set.Move(taker.to())
			release <- true
			method, body := "GET", ""
			if first[0] == 'P' {
				method, body = "POST", "body"
			}
			ok := c.expect(method, "giver", body)
			c.send(second[n:])
			ok = c.expect("POST", "giver", "second") && ok
			giver.wait(t)
			c.send(get("/"))
			if !c.expect("GET", "taker", "") || !ok {
				t.Fatalf("%d bytes were sent ahead of the response to %q", n, first)
			}
		}
	}
}

// unread returns the number of bytes in the kernel for c.
func unread(t *testing.T, c *conn) (n int) {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLargeResponse moves while a response is being written that is too large for any buffer.
func TestLargeResponse(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 1<<19)
	giver, taker, addr := pair(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, large) })
	c := dial(t, addr)
	c.send(get("/"))
	if _, err := c.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	giver.set.Move(taker.to())
	c.expect("GET", "giver", large)
	giver.wait(t)
	c.send(get("/"))
	c.expect("GET", "taker", large)
}

// TestNothingSent moves connections that have never sent anything, and one that is accepted after the call.
func TestNothingSent(t *testing.T) {
	const n = 3 * maxPassing
	giver, taker, addr := pair(t, echo)
	var clients []*client
	for range n {
		clients = append(clients, dial(t, addr))
	}
	eventually(t, func() bool { return giver.set.Len() == n })
	giver.set.Move(taker.to())
	giver.wait(t)
	clients = append(clients, dial(t, addr))
	eventually(t, func() bool { return taker.set.Len() == n+1 })
	for _, c := range clients {
		c.send(post("hello"))
		c.expect("POST", "taker", "hello")
	}
}

// TestHijacked hijacks a connection: it stays and is counted until the handler closes it.
func TestHijacked(t *testing.T) {
	hijack := make(chan net.Conn, 1)
	giver, taker, addr := pair(t, func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		hijack <- nc
	})
	c := dial(t, addr)
	c.send(get("/"))
	nc := <-hijack
	giver.set.Move(taker.to())
	echoed := make(chan error)
	go func() {
		_, err := io.CopyN(nc, nc, 4)
		echoed <- err
	}()
	c.send("ping")
	if err := <-echoed; err != nil {
		t.Error(err)
	}
	if got := giver.set.Len(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	nc.Close()
	if got, err := io.ReadAll(c.in); string(got) != "ping" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	giver.wait(t)
}
