package conns

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/sohost/sohost/internal/fault"
	"golang.org/x/sys/unix"
)

// pass waits for its turn, passes c on or closes it, and reports whether that succeeded.
func (c *conn) pass(m *move) bool {
	if m.pass == nil {
		c.Conn.Close()
		return true
	}
	c.set.passing <- struct{}{}
	defer func() { <-c.set.passing }()
	if c.set.move.Load() != m {
		return false // Move was called again while this pass waited
	}
	f, err := c.file()
	if err != nil {
		return false
	}
	defer f.Close()
	if err := m.pass(f); err != nil {
		return false
	}
	// The server closes c too, but may read from it first: it does when it looks for HTTP/2. This closes one descriptor;
	// the connection stays open through the new owner's.
	c.Conn.Close()
	return true
}

// file returns a copy of c's open file. It doesn't use the File method of package net: asking that file for its descriptor
// makes the socket blocking, for every process that has it.
func (c *conn) file() (*os.File, error) {
	var socket syscall.Conn
	switch nc := c.Conn.(type) {
	case *net.TCPConn:
		socket = nc
	case *net.UnixConn:
		socket = nc
	default:
		return nil, fmt.Errorf("pass connection: a %T has no open file", nc)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("pass connection: %w", err)
	}
	if err := fault.Error("connection", "copy"); err != nil {
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
