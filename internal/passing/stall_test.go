package passing

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStall has a peer that stops in the middle of a message. A pause doesn't wait for it without end, and a pause that begins before
// the message goes on doesn't cut it.
func TestStall(t *testing.T) {
	mine, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	c, err := New(mine)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	received := make(chan error, 1)
	var text string
	begin := func(part ...byte) {
		theirs.Write(part)
		go func() { _, err := c.Receive(&text); received <- err }()
		for waits(c) { // until it is in the message
			runtime.Gosched()
		}
	}
	begin(0, 0, 0, 3, '"')
	c.Pause()
	theirs.Write([]byte{'x', '"'})
	if err := <-received; err != nil || text != "x" {
		t.Errorf("a message that goes on is received as %q, %v", text, err)
	}
	c.Resume()

	c.stall = time.Millisecond
	begin(0, 0)
	c.Pause()
	if err := <-received; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a message that doesn't go on is received with %v", err)
	}
}

// waits reports whether something has arrived that wasn't received yet.
func waits(c *Conn) bool {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return err == nil && n > 0
}
