package conns

import "time"

// hold is what a connection that was passed on keeps of its server's deadlines. For the server it is a new connection, for
// which the time of its first request runs at once; but its client has no reason to send one, any more than before. So until
// its first byte it may be idle as any other, and then has the time that the server gives from when it begins to read.
type hold struct {
	since time.Time     // when it was accepted; zero when it wasn't passed on, or has had its first byte
	asked time.Time     // the deadline that the server has set since, or zero
	late  time.Duration // how long after since the first byte came; 0 when the server's deadlines mean what they say
}

// holdDeadlines makes c, which nobody else has yet, one that was passed on.
func (c *conn) holdDeadlines() {
	c.hold.since = time.Now()
	if c.set.idle > 0 {
		c.deadline = c.hold.since.Add(c.set.idle)
		c.Conn.SetReadDeadline(c.deadline) // fails only if the socket is closed, as the first read will
	}
}

// releaseDeadlines is called with c.mu when the first byte has been read.
func (c *conn) releaseDeadlines() {
	if c.hold.since.IsZero() {
		return
	}
	late := time.Since(c.hold.since)
	asked := c.hold.asked
	c.hold = hold{late: late}
	c.setReadDeadlineLocked(later(asked, late))
}

// SetReadDeadline does what it does for any connection. The server's calls also tell what it is about: see the package.
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
	// The first deadline after the header is for the whole request, and counts from when the server began to wait.
	t = later(t, c.hold.late)
	c.hold.late = 0
	return c.setReadDeadlineLocked(t)
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// setReadDeadlineLocked is called with c.mu. The server is not in a parked read when it sets a deadline, so there is no
// interrupt to be undone.
func (c *conn) setReadDeadlineLocked(t time.Time) error {
	c.deadline = t
	return c.Conn.SetReadDeadline(t)
}

// later moves a deadline, unless it is the zero time, which is none.
func later(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
