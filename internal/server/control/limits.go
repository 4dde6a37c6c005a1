package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// limits bound what clients hold of a control server. Those of other users can't even connect, so a client that exceeds one hangs.
type limits struct {
	header      time.Duration // for a request's header, and for the time between two requests of a connection
	body        time.Duration // for its body
	connections int           // served at a time; more of them wait
}

func defaultLimits() limits {
	return limits{header: 10 * time.Second, body: 10 * time.Second, connections: MaxConnections}
}

// MaxConnections is how many connections a Limited listener accepts at a time.
const MaxConnections = 64

const (
	// maxRequest is the size of the largest request, in bytes. Only a deploy of thousands of plugins comes near.
	maxRequest = 1 << 20

	// maxHeader is the size of its header.
	maxHeader = 64 << 10
)

// newServer returns a server of authorized requests whose bodies have arrived whole. An answer may take as long as it likes.
func newServer(l limits, next http.Handler) *http.Server {
	return &http.Server{
		Handler: limitBody(l, authorize(readBody(l, next))), ConnContext: rememberPeer,
		ReadHeaderTimeout: l.header, IdleTimeout: l.header, MaxHeaderBytes: maxHeader,
	}
}

// limitBody bounds how long a request's body may take, also that of one which is refused and which the server only throws away.
func limitBody(l limits, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			// Not http.Server.ReadTimeout: it would count on while the request is carried out, and end it.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(l.body)) // fails only for a connection that has none
		}
		next.ServeHTTP(w, r)
	})
}

// readBody reads a request's body before it passes the request on.
func readBody(l limits, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			writeJSON(w, http.StatusRequestTimeout, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("request body: not here after %v", l.body)})
			return
		case err != nil:
			writeJSON(w, http.StatusBadRequest, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("request body: %v", err)})
			return
		}
		http.NewResponseController(w).SetReadDeadline(time.Time{})
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// Limited returns a listener for what answers people and monitoring. The next connection waits until one is closed.
func Limited(l net.Listener) net.Listener { return limitTo(l, MaxConnections) }

func limitTo(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	free   chan struct{} // has one element for each open connection
	once   sync.Once
	closed chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
