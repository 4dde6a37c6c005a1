package conns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/internal/headline"
)

// maxPassing is how many connections of a set are passed at a time. Each of them has two open files here, and files on
// their way to another process count against the limit of open files too.
const maxPassing = 16

// Set holds the connections of one server: those accepted through Listener and not yet closed. Its methods may be called
// from any goroutine.
type Set struct {
	idle    time.Duration
	move    atomic.Pointer[move] // nil: connections stay
	passing chan struct{}        // one element for each connection that is being passed
	from    *Addresses           // nil: they aren't counted

	watching atomic.Bool // lookAfter will come

	mu    sync.Mutex // guards the fields below, and makes storing move and walking conns one step
	conns map[*conn]struct{}
	empty chan struct{} // closed when the last connection is gone; nil while nobody waits
}

// move is one call of Move or CloseIdle, identified by its address.
type move struct {
	pass   func(*os.File) error // nil: connections are closed
	unused bool                 // also those that haven't sent a byte yet
}

// NewSet returns an empty set. A connection that another server passed on may be idle for the duration idle from being
// accepted here until its first request here; 0 means no limit. idle should be the server's http.Server.IdleTimeout.
func NewSet(idle time.Duration) *Set {
	return &Set{idle: idle, passing: make(chan struct{}, maxPassing), conns: make(map[*conn]struct{})}
}

// Count has connections counted by the address that they come from, and those beyond its limit closed at once. It is called before Listener.
func (s *Set) Count(by *Addresses) { s.from = by }

// Listener returns a listener that accepts connections from l and adds them to the set. The server must report their
// states through ConnState; otherwise they move only before their first request. Connections from a *Queue count as
// passed on: the time limits for a request start only when its first byte has been read.
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
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if from := addressOf(c); l.set.from.enter(from, l.passed) {
			return l.set.add(c, from, l.passed), nil
		}
		c.Close()
	}
}

func (s *Set) add(nc net.Conn, from netip.Prefix, passed bool) *conn {
	c := &conn{Conn: nc, set: s, from: from}
	c.wake.L = &c.mu
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
	if _, has := s.conns[c]; has { // a second Close finds nothing
		s.from.leave(c.from)
	}
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// ConnState records the state of a connection. Use it as http.Server.ConnState, or call it from there. It doesn't block,
// and it ignores connections that belong to no set.
func (s *Set) ConnState(nc net.Conn, state http.ConnState) {
	if c, ok := nc.(*conn); ok {
		c.connState(state)
	}
}

// ConnContext returns a context by which handlers can add a line to responses, see package headline. Use it as
// http.Server.ConnContext, or call it from there. It ignores connections that belong to no set.
func (s *Set) ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		return headline.NewContext(ctx, &c.line)
	}
	return ctx
}

// Move starts passing connections on. Those that are between two requests, or have not sent a byte yet, are passed at
// once; the others as soon as the server has answered whatever it has read of their requests. Connections accepted later
// are passed on too. Move doesn't wait for any of this; Wait does. The server must not be shut down meanwhile, because
// that would close the connections.
//
// Move calls pass with a copy of the connection's open file, from up to 16 goroutines at a time. pass should have a time
// limit of its own, since nobody serves the connection until it returns. The file is non-blocking, and is closed after
// pass returns. If pass returns an error, no other process may have kept the connection: it is still served here, and
// passed again after its next request. If the file can't be copied, the same happens without calling pass.
//
// A later call replaces an earlier one, and tries idle connections again that could not be passed. After Move(nil)
// connections stay, except those for which pass has already been called.
func (s *Set) Move(pass func(*os.File) error) {
	if pass == nil {
		s.move.Store(nil)
		return
	}
	s.begin(&move{pass: pass, unused: true})
}

// CloseIdle closes connections that are between two requests, now and later, and with unused also those that haven't sent a byte yet.
// Nothing of a request is lost but what is still on its way. Like Move, it doesn't wait, and it replaces an earlier call of either.
func (s *Set) CloseIdle(unused bool) { s.begin(&move{unused: unused}) }

func (s *Set) begin(m *move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A connection that parks after this store finds the move on its own; one that parked before is woken. One that parks
	// at the same time does so under its own mutex, which interrupt takes.
	s.move.Store(m)
	for c := range s.conns {
		c.interrupt() // lock order: Set.mu, conn.mu
	}
}

// Len returns the number of connections that were accepted here and neither closed nor passed on.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Wait blocks until the set is empty or ctx ends. If ctx ends, the error wraps its cause. While a listener of the set still
// accepts, there may be a new connection by the time Wait returns.
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
		return fmt.Errorf("wait for connections to end: %d left: %w", s.Len(), context.Cause(ctx))
	}
}
