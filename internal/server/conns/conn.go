package conns

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/headline"
)

// phase is how far a connection is with its requests.
type phase int

const (
	initial   phase = iota // nothing has been read
	inRequest              // the server has read part of an unanswered request; permanent once hijacked
	answered               // after StateIdle: unknown how much of the next request the server has read
	between                // after StateIdle and one read deadline: the length of the next read shows it
)

// conn is a connection of a set.
//
// Invariant: while parked is true, one goroutine of the server is in Read or about to enter it, and nothing of the next
// request is anywhere but in the kernel. Only then does interrupt touch the socket's deadline. The server also sets
// deadlines to interrupt reads, but only reads during a request, so the two never meet.
type conn struct {
	net.Conn
	set  *Set
	from netip.Prefix // see addressOf
	line headline.Line

	mu          sync.Mutex // guards the fields below
	phase       phase
	full        int       // the length of the first read: the size of the server's buffer
	tried       *move     // the latest move that began to pass this connection since its last request
	parked      bool      // see the invariant
	interrupted bool      // the socket's read deadline is in the past, regardless of deadline
	deadline    time.Time // for reading
	armed       time.Time // the socket's: never later than deadline, but perhaps earlier, see arm
	timed       bool      // the server has set deadlines that are not in the past
	cut         bool      // deadline is longAgo: whoever reads is to stop
	reading     int       // reads that have reached the socket
	watching    int       // periods for which a read is still held back, see watch
	hijacked    bool
	closed      bool
	wake        sync.Cond // of mu: cut, watching or closed has changed
	hold        hold
}

// Read reads from the connection or passes it on. After passing it on it returns io.EOF: the server then closes its end
// without sending a response.
func (c *conn) Read(p []byte) (int, error) {
	for {
		parked, m, err := c.park(len(p))
		if err != nil {
			return 0, err
		}
		if m != nil {
			if c.pass(m) {
				return 0, io.EOF
			}
			continue
		}
		n, err := c.Conn.Read(p)
		// A read that exceeds a deadline has taken no byte from the socket.
		if interrupted := c.unpark(parked, n); errors.Is(err, os.ErrDeadlineExceeded) && (interrupted || c.early()) {
			continue
		}
		return n, err
	}
}

// park prepares a read of the given length. It returns the move that must pass c on before the read, if there is one.
// Otherwise parked reports whether c is parked, so that a later move can interrupt the read. The error is that of a deadline in
// the past, which the socket needn't know.
func (c *conn) park(length int) (parked bool, m *move, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return false, nil, os.ErrDeadlineExceeded
	}
	if c.phase == initial && c.full == 0 {
		c.full = length
	}
	if c.phase != initial && (c.phase != between || length != c.full) {
		if length == 1 && c.phase == inRequest && !c.hijacked {
			err = c.watch()
		}
		if err == nil {
			c.reading++
		}
		return false, nil, err
	}
	if m := c.set.move.Load(); m != nil && m != c.tried && (m.unused || c.phase != initial) {
		c.tried = m
		return false, m, nil
	}
	c.parked = true
	c.reading++
	return true, nil, nil
}

// unpark follows a read of n bytes and reports whether the read was interrupted.
func (c *conn) unpark(parked bool, n int) (interrupted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading--
	if parked {
		c.parked = false
		if interrupted = c.interrupted; interrupted {
			c.interrupted = false
			c.arm(c.deadline)
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

// interrupt makes a parked read return, so that Read checks for a move again.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parked {
		c.interrupted = true
		c.arm(longAgo)
	}
}

func (c *conn) connState(state http.ConnState) {
	if state != http.StateIdle && state != http.StateHijacked {
		return // the server's reads and deadlines show the rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateHijacked {
		c.hijacked = true
		c.line.Drop()
		return
	}
	c.phase = answered
	c.tried = nil
}

// Write writes, with the line that a handler may have added to its response.
func (c *conn) Write(p []byte) (int, error) { return c.line.Write(c.Conn, p) }

// Close closes the connection and removes it from its set.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	c.closed = true
	c.wake.Broadcast()
	c.mu.Unlock() // before the set's lock is taken
	c.set.remove(c)
	return err
}

// CloseWrite closes the sending side. net/http uses it to deliver a last response to a client that is still sending.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ReadFrom copies r to the connection. net/http uses it to let the kernel copy files to the socket (sendfile).
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }
