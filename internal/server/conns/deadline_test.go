package conns

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// short is a limit that tests wait for. What they do within it must not take longer.
const short = 250 * time.Millisecond

// TestLimitsOfPassed passes idle connections to a server with limits for requests. A new connection is closed there when the
// limit has passed without a request; by then one that was passed on earlier must still have all of its time.
func TestLimitsOfPassed(t *testing.T) {
	limits := map[string]func(*http.Server){
		"ReadHeaderTimeout": func(s *http.Server) { s.ReadHeaderTimeout = short },
		"ReadTimeout":       func(s *http.Server) { s.ReadTimeout = short },
	}
	for name, set := range limits {
		t.Run(name, func(t *testing.T) {
			giver, _, addr := pair(t, echo)
			l := listen(t, "tcp")
			taker := start(t, "taker", options{listen: []net.Listener{l}, adjust: func(s *http.Server) {
				set(s)
				s.IdleTimeout = limit
			}})
			idle, begins := dial(t, addr), dial(t, addr)
			idle.send(post("hello"))
			idle.expect("POST", "giver", "hello")
			eventually(t, func() bool { return giver.set.Len() == 2 })
			giver.set.Move(taker.to())
			giver.wait(t)
			dial(t, l.Addr()).expectEnd()

			// The limit is not over for the rest of the header, nor for the body, which comes when the handler already
			// reads it.
			idle.send("P")
			eventually(t, func() bool { return taker.set.count(func(c *conn) bool { return c.phase == inRequest }) == 1 })
			idle.send("OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
			if resp, err := http.ReadResponse(idle.in, nil); err != nil || resp.StatusCode != http.StatusContinue {
				t.Fatalf("got %v, %v, want status 100", resp, err)
			}
			idle.send("ok")
			idle.expect("POST", "taker", "ok")
			if n := taker.set.count(func(c *conn) bool { return c.hold == hold{} }); n != 1 {
				t.Errorf("%d connections have the usual limits after their first request, want 1", n)
			}

			// The limit holds from the first byte on.
			begins.send("G")
			if _, err := io.ReadAll(begins.in); err != nil { // empty or a status, then the end
				t.Error(err)
			}
		})
	}
}

// TestIdleLimit passes a connection to a set with a limit for those that were passed on.
func TestIdleLimit(t *testing.T) {
	giver, _, addr := pair(t, echo)
	taker := start(t, "taker", options{idle: short})
	c := dial(t, addr)
	only(t, giver.set, fresh)
	giver.set.Move(taker.to())
	c.expectEnd()

	// Its first request ends that limit, as the idle connection shows.
	giver.set.Move(nil)
	first, second := dial(t, addr), dial(t, addr)
	first.send(get("/"))
	first.expect("GET", "giver", "")
	second.send(get("/"))
	second.expect("GET", "giver", "")
	giver.set.Move(taker.to())
	giver.wait(t)
	first.send(get("/"))
	first.expect("GET", "taker", "")
	second.expectEnd()
	first.send(get("/"))
	first.expect("GET", "taker", "")
}

// TestWait gives up waiting for a connection that stays.
func TestWait(t *testing.T) {
	giver, _, addr := pair(t, echo)
	dial(t, addr)
	only(t, giver.set, fresh)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errRefused)
	if err := giver.set.Wait(ctx); !errors.Is(err, errRefused) {
		t.Errorf("got %v, want %v", err, errRefused)
	}
}

// TestQueueClosed closes a queue under those who wait at it.
func TestQueueClosed(t *testing.T) {
	for _, wait := range []func(*Queue) error{
		func(q *Queue) error { return q.Push(nil) },
		func(q *Queue) error { _, err := q.Accept(); return err },
	} {
		q := NewQueue(nil)
		done := make(chan error)
		go func() { done <- wait(q) }()
		q.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}
