package conns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxPassing is how many connections of a set are being passed at a time. Each of them has two open files here, and the
// files on their way to another process count against the limit of open files too.
const maxPassing = 16

// Set is the connections of one server: those it accepted through Listener and has not closed. Its methods may be called
// from any goroutine.
type Set struct {
	idle    time.Duration
	move    atomic.Pointer[move] // nil: connections stay
	passing chan struct{}        // has an element for each connection that is being passed

	mu    sync.Mutex // guards what follows, and the order of a store to move and a look at conns
	conns map[*conn]struct{}
	empty chan struct{} // closed when the last connection has gone; nil while nobody waits
}

// move is one call of Move. Its address tells it from other calls.
type move struct {
	pass func(*os.File) error
}

// NewSet makes a set without connections. Idle is for how long a connection that another server passed on may be without
// a request, from when it is accepted here to its first request here; 0 means no limit. It should be the server's
// http.Server.IdleTimeout.
func NewSet(idle time.Duration) *Set {
	return &Set{idle: idle, passing: make(chan struct{}, maxPassing), conns: make(map[*conn]struct{})}
}

// Listener gives a listener whose connections belong to the set, accepted from l. The server must tell the set of their
// states, see ConnState; else they only move before their first request. Connections that come from a *Queue count as
// passed on: no time limit for a request runs before its first byte has been read.
func (s *Set) Listener(l net.Listener) net.Listener {
	_, passed := l.(*Queue)
	return &listener{Listener: l, set: s, passed: passed}
}

type listener struct {
	net.Listener
	set    *Set
	passed bool
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.set.add(c, l.passed), nil
}

func (s *Set) add(nc net.Conn, passed bool) *conn {
	c := &conn{Conn: nc, set: s}
	if passed {
		c.holdDeadlines()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return c
}

func (s *Set) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// ConnState is to be called by http.Server.ConnState, or to be it. It doesn't block, and ignores connections that are not of
// a set.
func (s *Set) ConnState(nc net.Conn, state http.ConnState) {
	if c, ok := nc.(*conn); ok {
		c.connState(state)
	}
}

// Move has connections passed on from now on: those that are between two requests at once, also those that have not sent a
// byte, and the others as soon as what the server has read of their requests is answered. It doesn't wait for that; Wait
// does. Connections that are accepted later are passed on too. The server must not be shut down meanwhile, as it would close
// the connections.
//
// Pass is called with a copy of the connection's open file, by up to 16 goroutines at a time, and should have a time limit of
// its own, since the connection is served nowhere until it returns. The file is non-blocking and is closed after pass
// returns. When pass returns an error, nobody else may have the connection: it is served on here, and passed again after its
// next request. When no copy of the file can be made, pass is not called and the rest is the same.
//
// A later call takes the place of an earlier one, also for idle connections that could not be passed. Move(nil) has
// connections stay, except for those for which pass has been called already.
func (s *Set) Move(pass func(*os.File) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pass == nil {
		s.move.Store(nil)
		return
	}
	// A connection that parks after this store finds the move by itself; one that has parked before is woken. One that
	// parks at the same time does so under its own mutex, which interrupt takes.
	s.move.Store(&move{pass: pass})
	for c := range s.conns {
		c.interrupt() // lock order: Set.mu, conn.mu
	}
}

// Len is how many connections are here: accepted, and neither closed nor passed on.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Wait blocks until no connection is here, or ctx ends; the error then wraps the cause. While a listener of the set still
// accepts, there may be a new connection by the time it returns.
func (s *Set) Wait(ctx context.Context) error {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for connections: %d left: %w", s.Len(), context.Cause(ctx))
	}
}
