package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// ErrInUse is returned when somebody answers on a unix socket.
var ErrInUse = errors.New("somebody answers on the socket")

// ErrNoSocket is returned when the file of a unix socket is something else.
var ErrNoSocket = errors.New("a file that is not a socket is in the way")

// Unix listens on a unix socket with a file of that mode. It replaces a socket that nobody answers, and nothing else.
func Unix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := RemoveStale(path); err != nil {
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

// RemoveStale removes a unix socket that nobody answers. The error is ErrInUse if somebody does, and ErrNoSocket for another file.
func RemoveStale(path string) error {
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
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return ErrInUse
	}
	return os.Remove(path)
}
