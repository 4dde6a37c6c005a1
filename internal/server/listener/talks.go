package listener

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// talks are the connections of a Server that stay in its process.
type talks struct {
	tasks   sync.WaitGroup // those that say goodbye
	leaving atomic.Bool    // clients are to open new connections; mu is held when it is set

	mu      sync.Mutex // guards what follows
	open    map[*talk]struct{}
	closing closing
	noticed *time.Timer   // closes idle connections of HTTP/2
	ended   bool          // nothing is said any more
	empty   chan struct{} // closed when no connection of HTTP/2 is left; nil while nobody waits
}

// closing says which connections are closed once they have no request.
type closing int

const (
	closeNone closing = iota
	closeTold         // those of HTTP/2, whose clients were told
	closeAll
)

// notice is how long clients of HTTP/2 have to read that they are to open no more streams: far more than one round trip.
const notice = 2 * time.Second

func (s *talks) add(c net.Conn) *talk {
	t := &talk{Conn: c, of: s}
	t.idle.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*talk]struct{}{}
	}
	s.open[t] = struct{}{}
	t.leaving = s.leaving.Load()
	return t
}

func (s *talks) remove(t *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
	if s.empty != nil && !s.anyLocked() {
		close(s.empty)
		s.empty = nil
	}
}

// anyLocked reports whether there is a connection of HTTP/2. s.mu is held.
func (s *talks) anyLocked() bool {
	for t := range s.open {
		if t.http2.Load() {
			return true
		}
	}
	return false
}

// leave tells the clients of connections of HTTP/2. Each is told by a goroutine of its own, since a client may not read.
func (s *talks) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.leaving.Swap(true) {
		return
	}
	for t := range s.open {
		s.tasks.Go(t.leave)
	}
	s.noticed = time.AfterFunc(notice, func() { s.closeIdle(closeTold) })
}

// closeIdle closes connections without a request, now and later.
func (s *talks) closeIdle(which closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.closing = max(s.closing, which)
	for t := range s.open {
		if t.idle.Load() && s.closing.of(t) {
			s.tasks.Go(t.closeIdle) // TLS says goodbye, to a client that may not read
		}
	}
}

// of reports whether a connection is among them.
func (c closing) of(t *talk) bool { return c == closeAll || c == closeTold && t.http2.Load() }

// end waits for what is still said.
func (s *talks) end() {
	s.mu.Lock()
	if s.ended = true; s.noticed != nil {
		s.noticed.Stop()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

// wait waits until there is no connection of HTTP/2, or until ctx ends.
func (s *talks) wait(ctx context.Context) {
	s.mu.Lock()
	if !s.anyLocked() {
		s.mu.Unlock()
		return
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
