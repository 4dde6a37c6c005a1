package files

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener returns a listener that accepts from l only while enough files are free. Until then connections wait in the socket's
// backlog. A connection takes as many files as each says in the end, itself among them. Whatever the limit, half of what is free now
// may be used.
func Listener(l net.Listener, each int) net.Listener {
	return &listener{Listener: l, each: each, room: NewRoom(), closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	each   int
	room   Room
	closed chan struct{}
	once   sync.Once
	full   bool // the last connection was the last that fits; only Accept has it
}

// look is how often a full listener looks whether files have become free.
const look = 20 * time.Millisecond

// Accept accepts the next connection.
func (l *listener) Accept() (net.Conn, error) {
	for l.full && !l.free() {
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(look):
		}
	}
	c, err := l.Listener.Accept()
	if err == nil {
		l.full = !fits(c, l.mark())
	}
	return c, err
}

// Close closes the listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// mark returns the first number of a file that connections may not have.
func (l *listener) mark() int { return l.room.mark(Clients, l.each) }

// free reports whether the next file has a number below the mark.
func (l *listener) free() bool {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return fd < l.mark()
}

// fits reports whether the number of a connection's file is below the mark, with room for the next.
func fits(c net.Conn, mark int) bool {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	fits := true
	raw.Control(func(fd uintptr) { fits = int(fd)+1 < mark })
	return fits
}
