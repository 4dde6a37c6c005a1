package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// ErrInUse is returned when somebody answers on a unix socket.
var ErrInUse = errors.New("somebody answers on the socket")

// ErrNoSocket is returned when the file of a unix socket is something else.
var ErrNoSocket = errors.New("a file that is not a socket is in the way")

// maxPath is the length of the longest path that the kernel accepts for a unix socket, without the final zero.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Fits returns an error for a path that is too long for a unix socket.
func Fits(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("%s: the path has %d bytes, and a socket's may have %d", path, len(path), maxPath)
	}
	return nil
}

// Unix listens on a unix socket with a file of that mode. It replaces a socket that nobody answers, and nothing else: then the error is
// ErrInUse or ErrNoSocket.
func Unix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := Fits(path); err != nil {
		return nil, fmt.Errorf("listen on %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a unix socket that nobody listens on. Anything else stays, also one of which that isn't known.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return ErrNoSocket
	}
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		c.Close()
		return ErrInUse
	case errors.Is(err, syscall.EAGAIN): // more wait for an answer than can
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist): // it is gone by now
		return nil
	}
	return err
}
