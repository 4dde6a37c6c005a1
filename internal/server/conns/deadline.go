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
		c.Conn.SetReadDeadline(c.deadline) // fails only if the socket is closed, and then the first read fails too
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
	return c.Conn.SetReadDeadline(t)
}

// later returns the deadline t moved by d. The zero time, which means no deadline, stays.
func later(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
