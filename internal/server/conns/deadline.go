package conns

import "time"

// hold postpones the server's deadlines on a connection that was passed on. To the server it is a new connection, so the
// time limit of its first request starts at once; but its client has no more reason than before to send a request. So
// until its first byte it may be idle like any other connection, and the server's limits count from that byte.
type hold struct {
	since time.Time     // when it was accepted; zero if it wasn't passed on, or after its first byte
	asked time.Time     // the last deadline that the server has set since then, or zero
	late  time.Duration // how long after since the first byte came; 0 if the server's deadlines apply as they are
}

// holdDeadlines marks c as passed on. No other goroutine may have c yet.
func (c *conn) holdDeadlines() {
	c.hold.since = time.Now()
	if c.set.idle > 0 {
		c.deadline = c.hold.since.Add(c.set.idle)
		c.arm(c.deadline)
	}
}

// releaseDeadlines ends the hold when the first byte has been read. The caller holds c.mu.
func (c *conn) releaseDeadlines() {
	if c.hold.since.IsZero() {
		return
	}
	late := time.Since(c.hold.since)
	asked := c.hold.asked
	c.hold = hold{late: late}
	c.setReadDeadlineLocked(later(asked, late))
}

// SetReadDeadline sets the deadline for reading. The server's calls also show how far it is with a request: see the package
// documentation.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hold.since.IsZero() {
		c.hold.asked = t
		return nil
	}
	switch c.phase {
	case answered:
		c.phase = between
	case between:
		c.phase = inRequest
	}
	// The first deadline after the header is for the whole request. The server counts it from when it began to wait.
	t = later(t, c.hold.late)
	c.hold.late = 0
	return c.setReadDeadlineLocked(t)
}

// SetDeadline sets the deadlines for reading and writing.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// setReadDeadlineLocked sets the deadline for reading. The caller holds c.mu. The server is not in a parked read when it
// sets a deadline, so there is no interrupt to undo.
func (c *conn) setReadDeadlineLocked(t time.Time) error {
	c.deadline = t
	c.cut = !t.IsZero() && !t.After(longAgo)
	if c.cut && c.watching > 0 {
		c.wake.Broadcast()
	}
	if c.cut && c.reading == 0 {
		return nil // a read that begins sees it
	}
	past := c.armed.Equal(longAgo)
	c.timed = c.timed || t.After(longAgo)
	switch {
	case past && c.timed: // a read was interrupted. The deadlines that the server sets until the next one is are later than this
		if soon := time.Now().Add(ahead); t.IsZero() || t.After(soon) {
			return c.arm(soon)
		}
	case past:
	case c.armed.IsZero() && t.IsZero(), !c.armed.IsZero() && (t.IsZero() || !t.Before(c.armed)):
		return nil
	}
	return c.arm(t)
}

// longAgo is the deadline by which net/http, and this package, interrupt a read.
var longAgo = time.Unix(1, 0)

// ahead is how long after a request the socket's deadline is that spares others.
const ahead = 5 * time.Second

// arm sets the socket's deadline for reading. The caller holds c.mu.
//
// The server sets a deadline six times for each request, and to set a timer takes longer than anything else that is done here. So the
// socket's deadline stays as long as it isn't later than the one that counts, and a read that ends early goes on, see early. A
// connection that is idle wakes once for that.
func (c *conn) arm(t time.Time) error {
	c.armed = t
	return c.Conn.SetReadDeadline(t) // fails only if the socket is closed, and then the next read fails too
}

// early reports whether a read has exceeded the socket's deadline and not c's. The next one has that.
func (c *conn) early() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return false
	}
	c.arm(c.deadline)
	return true
}

// later returns the deadline t moved by d. The zero time, which means no deadline, stays.
func later(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
