package conns

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Tests of limits run on a fake clock, so that they take no time and don't depend on how fast the machine is.
const (
	short  = time.Minute      // the limit under test
	margin = time.Millisecond // enough to tell before it from after it
)

// expectEndAfter waits for the server to close the connection, with a status or without, and checks when that is.
func (c *client) expectEndAfter(begun time.Time, d time.Duration) {
	c.t.Helper()
	if _, err := io.ReadAll(c.in); err != nil {
		c.t.Error(err)
	}
	if got := time.Since(begun); got != d {
		c.t.Errorf("closed after %v, want %v", got, d)
	}
}

// TestLimitsOfPassed sends requests on passed connections to a server with time limits for requests, which must count from the
// first byte.
func TestLimitsOfPassed(t *testing.T) {
	header := func(s *http.Server) { s.ReadHeaderTimeout = short }
	whole := func(s *http.Server) { s.ReadTimeout = short }
	both := func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = short, 3*short }
	const never = 0
	tests := []struct {
		name         string
		set          func(*http.Server)
		header, body time.Duration // when they are sent, after the first byte
		end          time.Duration // when the server closes the connection, after the first byte; 0: it answers
	}{
		{"ReadHeaderTimeout kept", header, short - margin, 9 * short, 0},
		{"ReadHeaderTimeout exceeded", header, never, never, short},
		{"ReadTimeout kept", whole, short / 2, short - margin, 0},
		{"ReadTimeout exceeded by the header", whole, never, never, short},
		{"ReadTimeout exceeded by the body", whole, short / 2, never, short},
		{"both kept", both, short - margin, 3*short - margin, 0},
		{"ReadHeaderTimeout of both exceeded", both, never, never, short},
		{"ReadTimeout of both exceeded", both, short / 2, never, 3 * short},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taker := start(t, "taker", options{adjust: func(s *http.Server) {
					test.set(s)
					s.IdleTimeout = time.Hour
				}})
				c := push(t, taker.queue)
				time.Sleep(10 * short)
				begun := time.Now()
				c.send("P")
				if test.header != never {
					time.Sleep(test.header)
					c.send("OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n")
				}
				if test.end != 0 {
					c.expectEndAfter(begun, test.end)
					return
				}
				time.Sleep(test.body - test.header)
				c.send("ok")
				c.expect("POST", "taker", "ok")

				// A second request has the same limits as on any other connection.
				time.Sleep(10 * short)
				begun = time.Now()
				c.send("POST")
				c.expectEndAfter(begun, short)
			})
		})
	}
}

// TestLimitsOfAccepted checks that connections that were not passed on keep the limits that net/http sets.
func TestLimitsOfAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(&net.UnixAddr{Name: "accepted"})
		start(t, "server", options{
			idle:   short / 2,
			listen: []net.Listener{struct{ net.Listener }{q}}, // what isn't a *Queue accepts connections of its own
			adjust: func(s *http.Server) { s.ReadHeaderTimeout = short },
		})
		begun := time.Now()
		push(t, q).expectEndAfter(begun, short)
	})
}

// TestIdleLimit serves passed connections with an idle limit.
func TestIdleLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taker := start(t, "taker", options{idle: short})
		begun := time.Now()
		idle, used := push(t, taker.queue), push(t, taker.queue)
		time.Sleep(short - margin)
		used.send(get("/"))
		used.expect("GET", "taker", "")
		idle.expectEndAfter(begun, short)
		// The first request has ended that limit.
		time.Sleep(10 * short)
		used.send(get("/"))
		used.expect("GET", "taker", "")
	})
}

// TestIdleLimitOfSocket passes a socket to a set with an idle limit.
func TestIdleLimitOfSocket(t *testing.T) {
	giver, _, addr := pair(t, echo)
	taker := start(t, "taker", options{idle: time.Millisecond})
	c := dial(t, addr)
	only(t, giver.set, initial)
	giver.set.Move(taker.to())
	c.expectEnd()
}

// TestWait gives up waiting for a connection that stays.
func TestWait(t *testing.T) {
	giver, _, addr := pair(t, echo)
	dial(t, addr)
	only(t, giver.set, initial)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errRefused)
	if err := giver.set.Wait(ctx); !errors.Is(err, errRefused) {
		t.Errorf("got %v, want %v", err, errRefused)
	}
}

// TestQueueClosed closes a queue while calls wait at it.
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
