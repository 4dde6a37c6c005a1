package conns

import (
	"os"
	"time"
)

// While a handler runs, the server reads one byte ahead, to learn that the client has gone away. Most handlers return before
// anything comes of that, and then the read was made, a deadline set to end it, and another one set afterwards, for nothing: these
// are a good part of what a short request costs. So such a read doesn't reach the socket before the handler has run for a
// while. Then what the client has sent meanwhile is still in the kernel, too.
//
// The server's reader asks for a single byte also if its buffer is full but for that. That read waits a little, too.

// watchPeriod is how often a set looks for handlers that still run. After one to two periods their reads go ahead.
const watchPeriod = 50 * time.Millisecond

// watch holds a read back. It returns early, with the error that the server expects, if the server doesn't want the read any
// more. The caller holds c.mu.
func (c *conn) watch() error {
	c.set.watch()
	c.watching = 2
	for c.watching > 0 && !c.cut && !c.closed {
		c.wake.Wait()
	}
	c.watching = 0
	if c.cut {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// passes lets a read that has been held back for long enough go ahead, and reports whether one was held back.
func (c *conn) passes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watching == 0 {
		return false
	}
	if c.watching--; c.watching == 0 {
		c.wake.Broadcast()
	}
	return true
}

// watch makes sure that reads that are held back are looked after.
func (s *Set) watch() {
	if !s.watching.Load() && s.watching.CompareAndSwap(false, true) {
		time.AfterFunc(watchPeriod, s.lookAfter)
	}
}

// lookAfter comes again each period until no read is held back any more, so that a server at rest stays so.
func (s *Set) lookAfter() {
	if !s.look() {
		s.watching.Store(false)
		// A read may have been held back since, by one who relied on this.
		if !s.look() || !s.watching.CompareAndSwap(false, true) {
			return
		}
	}
	time.AfterFunc(watchPeriod, s.lookAfter)
}

// look reports whether any read was held back.
func (s *Set) look() (any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		any = c.passes() || any // lock order: Set.mu, conn.mu
	}
	return any
}
