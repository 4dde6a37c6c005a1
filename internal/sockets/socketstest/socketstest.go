// Package socketstest helps to test what listens.
package socketstest

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Free returns an address on which nobody listens, however often who is to listen there comes and goes. Until the test ends it is nobody's
// whom the kernel gives a port, for a connection either: a socket has it that doesn't listen, and so keeps it from none who asks for it by
// its number with SO_REUSEADDR, as package net does.
func Free(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}
