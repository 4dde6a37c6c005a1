package conns

import (
	"fmt"
	"net"
	"sync"
)

// Queue is a listener for connections that another server passed on: net.FileConn makes them from their files, and Push
// adds them. Give the Queue to Set.Listener, so that the connections get the time limits of connections passed on.
type Queue struct {
	addr   net.Addr
	conns  chan net.Conn // unbuffered: a connection belongs to the caller of Push or to the server
	closed chan struct{}
	close  sync.Once
}

// NewQueue returns a queue with addr as its address.
func NewQueue(addr net.Addr) *Queue {
	return &Queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Push blocks until c is accepted or the queue is closed. If it is closed, the error wraps net.ErrClosed and c still
// belongs to the caller.
func (q *Queue) Push(c net.Conn) error {
	select {
	case q.conns <- c:
		return nil
	case <-q.closed:
		return fmt.Errorf("push connection: %w", net.ErrClosed)
	}
}

// Accept blocks until a connection is pushed or the queue is closed. If it is closed, the error is net.ErrClosed.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close makes all calls of Push and Accept return, those that block now and later ones. It may be called more than once.
func (q *Queue) Close() error {
	q.close.Do(func() { close(q.closed) })
	return nil
}

// Addr returns the address given to NewQueue.
func (q *Queue) Addr() net.Addr { return q.addr }
