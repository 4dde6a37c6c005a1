package listener

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// talks are the connections of a Server that stay in its process.
type talks struct {
	tasks   sync.WaitGroup // those that say goodbye
	leaving atomic.Bool    // clients are to open new connections; mu is held when it is set
	over    chan struct{}  // closed when nothing is said any more

	mu      sync.Mutex         // guards what follows
	open    map[*talk]struct{} // those that nobody has taken over
	closing closing
	noticed *time.Timer // closes idle connections of HTTP/2
	ended   bool        // over is closed
}

// closing says which connections are closed once they have no request.
type closing int

const (
	closeNone   closing = iota
	closeTold           // those of HTTP/2, whose clients were told
	closeServed         // and those of HTTP/1.1 that have had a request
	closeAll
)

// notice is how long clients of HTTP/2 have to read that they are to open no more streams: far more than one round trip.
const notice = 2 * time.Second

func newTalks() *talks { return &talks{over: make(chan struct{}), open: map[*talk]struct{}{}} }

func (s *talks) add(c, socket net.Conn) *talk {
	t := &talk{Conn: c, socket: socket, of: s}
	t.idle.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[t] = struct{}{}
	t.leaving = s.leaving.Load()
	return t
}

func (s *talks) remove(t *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
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
	s.closing = max(s.closing, which)
	for t := range s.open {
		s.closeLocked(t)
	}
}

// becameIdle closes a connection that has no request any more, if it is to be closed then.
func (s *talks) becameIdle(t *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(t)
}

// closeLocked closes a connection if it is to be closed and has no request. s.mu is held.
func (s *talks) closeLocked(t *talk) {
	if !s.ended && t.idle.Load() && s.closing.of(t) {
		s.tasks.Go(t.closeIdle) // TLS says goodbye, to a client that may not read
	}
}

// of reports whether a connection is among them.
func (c closing) of(t *talk) bool {
	return c == closeAll || c >= closeTold && t.http2.Load() || c >= closeServed && t.idles.Load() > 0
}

// end waits for what is still said.
func (s *talks) end() {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		close(s.over)
	}
	if s.noticed != nil {
		s.noticed.Stop()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}
