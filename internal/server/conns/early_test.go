package conns

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// timed counts how often the deadline of a connection is set.
type timed struct {
	net.Conn
	sets int
}

func (c *timed) SetReadDeadline(t time.Time) error {
	c.sets++
	return c.Conn.SetReadDeadline(t)
}

// TestEarly sets deadlines as net/http does around each request. The socket's own is set for none of them but the first; a read that
// it ends before the one that counts goes on, and one that exceeds that fails.
func TestEarly(t *testing.T) {
	mine, theirs := net.Pipe()
	defer theirs.Close()
	socket := &timed{Conn: mine}
	c := NewSet(0).add(socket, netip.Prefix{}, false)
	defer c.Close()
	request := func() {
		c.SetReadDeadline(time.Now().Add(time.Minute)) // the header's
		c.SetReadDeadline(time.Time{})
		c.SetReadDeadline(longAgo) // ends the read in the background
		c.SetReadDeadline(time.Time{})
		c.SetReadDeadline(time.Now().Add(time.Hour)) // idle
		c.SetReadDeadline(time.Time{})
	}
	request()
	before := socket.sets
	for range 10 {
		request()
	}
	if n := socket.sets - before; n != 0 {
		t.Errorf("the socket's deadline was set %d times for 10 requests", n)
	}
	c.mu.Lock()
	c.arm(longAgo) // as if its time had come
	c.mu.Unlock()
	go theirs.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("a read without a deadline: %d bytes, %v", n, err)
	}
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read with a deadline: %v", err)
	}
}
