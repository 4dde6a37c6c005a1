package conns

import (
	"fmt"
	"net"
	"sync"
)

// Queue is a listener whose connections are pushed: those that another server passed on, made of their files by
// net.FileConn. To be served under the rules for such connections they go through Set.Listener.
type Queue struct {
	addr   net.Addr
	conns  chan net.Conn // without a buffer: a connection is the caller's or the server's
	closed chan struct{}
	close  sync.Once
}

// NewQueue makes a queue that gives addr as its address.
func NewQueue(addr net.Addr) *Queue {
	return &Queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Push blocks until c is accepted or the queue is closed. The error then wraps net.ErrClosed and c is still the caller's.
func (q *Queue) Push(c net.Conn) error {
	select {
	case q.conns <- c:
		return nil
	case <-q.closed:
		return fmt.Errorf("push connection: %w", net.ErrClosed)
	}
}

// Accept blocks until a connection is pushed or the queue is closed; the error is then net.ErrClosed.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close has calls of Push and Accept return, those that wait and those to come. It may be called more than once.
func (q *Queue) Close() error {
	q.close.Do(func() { close(q.closed) })
	return nil
}

// Addr is the address that NewQueue was given.
func (q *Queue) Addr() net.Addr { return q.addr }
