package conns

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pass waits for its turn, passes c on, and says whether that succeeded.
func (c *conn) pass(m *move) bool {
	c.set.passing <- struct{}{}
	defer func() { <-c.set.passing }()
	if c.set.move.Load() != m {
		return false // another call of Move came while this one waited
	}
	f, err := c.file()
	if err != nil {
		return false
	}
	defer f.Close()
	if err := m.pass(f); err != nil {
		return false
	}
	// The server closes c too, but may read before: it does when it looks for HTTP/2. This closes a descriptor; the
	// connection stays open, as its new owner has another.
	c.Conn.Close()
	return true
}

// file makes a copy of c's open file. It doesn't use the File method of package net, whose file makes the socket blocking
// when its descriptor is asked for: blocking for everybody, as it is one socket.
func (c *conn) file() (*os.File, error) {
	var socket syscall.Conn
	switch nc := c.Conn.(type) {
	case *net.TCPConn:
		socket = nc
	case *net.UnixConn:
		socket = nc
	default:
		return nil, fmt.Errorf("pass connection: it is a %T", nc)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("pass connection: %w", err)
	}
	var fd int
	var dupErr error
	err = raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	if err != nil {
		return nil, fmt.Errorf("pass connection: %w", err)
	}
	return os.NewFile(uintptr(fd), "connection"), nil
}
