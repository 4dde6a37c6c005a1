package conns

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// phase is where a connection is in the life of its requests.
type phase int

const (
	initial   phase = iota // nothing has been read
	inRequest              // the server has read of a request that isn't answered; for good when it is hijacked
	answered               // after StateIdle: what the server has read of the next request isn't known
	between                // after StateIdle and one read deadline: the length of the next read tells
)

// conn is a connection of a set.
//
// Invariant: while parked is true, one goroutine of the server is in Read or about to be, with nothing of the next request
// anywhere but in the kernel. Only then does interrupt touch the deadline of the socket. The server sets deadlines to
// interrupt reads itself, but those are reads during a request, so the two don't meet.
type conn struct {
	net.Conn
	set *Set

	mu          sync.Mutex // guards what follows
	phase       phase
	full        int       // the length of the first read: the size of the server's buffer
	tried       *move     // the latest for which a pass was begun since the last request
	parked      bool      // see the invariant
	interrupted bool      // the socket's read deadline is in the past, whatever deadline says
	deadline    time.Time // for reading
	hold        hold
}

// Read reads, or passes the connection on: then it returns io.EOF, on which the server closes what is left here, without an
// answer.
func (c *conn) Read(p []byte) (int, error) {
	for {
		parked, m := c.park(len(p))
		if m != nil {
			if c.pass(m) {
				return 0, io.EOF
			}
			continue
		}
		n, err := c.Conn.Read(p)
		// A read that meets a deadline has taken no byte from the socket.
		if c.unpark(parked, n) && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return n, err
	}
}

// park says whether c can be passed on before a read of the given length, and gives the move by which it must be. If there is
// none c is parked.
func (c *conn) park(length int) (parked bool, m *move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == initial && c.full == 0 {
		c.full = length
	}
	if c.phase != initial && (c.phase != between || length != c.full) {
		return false, nil
	}
	if m := c.set.move.Load(); m != nil && m != c.tried {
		c.tried = m
		return false, m
	}
	c.parked = true
	return true, nil
}

// unpark follows a read of n bytes, and says whether it was interrupted.
func (c *conn) unpark(parked bool, n int) (interrupted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if parked {
		c.parked = false
		if interrupted = c.interrupted; interrupted {
			c.interrupted = false
			c.Conn.SetReadDeadline(c.deadline) // fails only if the socket is closed, as the next read will
		}
	}
	if n > 0 {
		if c.phase == initial {
			c.releaseDeadlines()
		}
		c.phase = inRequest
	}
	return interrupted
}

// interrupt has a parked read return, for Read to look for a move again.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parked {
		c.interrupted = true
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) connState(state http.ConnState) {
	if state != http.StateIdle {
		return // the reads and deadlines of the server tell the rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = answered
	c.tried = nil
}

// Close closes the connection, and takes it from its set.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.set.remove(c)
	return err
}

// CloseWrite is there for net/http, which uses it to get a last response through to a client that still sends.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadFrom is there for net/http, which uses it to have the kernel copy files to the socket (sendfile).
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }
