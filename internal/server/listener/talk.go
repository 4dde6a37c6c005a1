package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// talk is a connection as its client and net/http see it, after TLS if there is any.
//
// net/http has HTTP/2 over TLS only for a *tls.Conn, to which it writes what nobody else can write between. It takes any connection
// for HTTP/2 in the clear, so a connection of TLS is given to it as one of those.
type talk struct {
	net.Conn
	socket net.Conn // as conns has it
	of     *talks

	preface int          // how many bytes of HTTP/2's preface were read, or -1; only Read has it
	idle    atomic.Bool  // nothing of a request was read
	idles   atomic.Int64 // how often it has become idle
	http2   atomic.Bool

	mu      sync.Mutex // held while something is written; guards what follows
	frames  frames
	leaving bool // the client is to be told
}

// talkListener wraps the connections of a listener, which stay in this process.
type talkListener struct {
	net.Listener
	server *Server
}

func (l *talkListener) Accept() (net.Conn, error) {
	socket, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := socket
	if l.server.secure != nil {
		c = tls.Server(c, l.server.secure)
	}
	return l.server.talks.add(c, socket), nil
}

// preface is what a client of HTTP/2 sends first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Read reads what the client sends, and finds out by its beginning whether that is HTTP/2.
func (t *talk) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if t.preface >= 0 && t.preface < len(preface) {
		t.begin(p[:n])
	}
	if n > 0 && t.preface < len(preface) { // of HTTP/2, connState knows
		t.idle.Store(false)
	}
	if record := (tls.RecordHeaderError{}); errors.As(err, &record) && record.Conn != nil && likeHTTP(record.RecordHeader) {
		io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis port wants https.\n")
	}
	return n, err
}

// begin looks at the next bytes of the beginning.
func (t *talk) begin(p []byte) {
	for _, b := range p {
		if b != preface[t.preface] {
			t.preface = -1
			return
		}
		if t.preface++; t.preface == len(preface) {
			t.http2.Store(true)
			return
		}
	}
}

// likeHTTP reports whether the beginning of something that is no TLS is that of a request.
func likeHTTP(head [5]byte) bool {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}

// Write writes, and tells the client to leave between two frames if that is due.
func (t *talk) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.http2.Load() {
		return t.Conn.Write(p)
	}
	if !t.leaving || t.frames.said {
		t.frames.pass(p)
		return t.Conn.Write(p)
	}
	if err := t.sayLocked(); err != nil {
		return 0, err
	}
	written := 0
	for written < len(p) {
		n, err := t.Conn.Write(p[written : written+t.frames.step(p[written:])])
		if written += n; err != nil {
			return written, err
		}
		if err := t.sayLocked(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// sayLocked tells the client, if that is possible here and hasn't been done. t.mu is held.
func (t *talk) sayLocked() error {
	if t.frames.said || !t.http2.Load() || !t.frames.between() {
		return nil
	}
	t.frames.said = true
	_, err := t.Conn.Write(goAway)
	return err
}

// leave tells the client, now if that is possible, or else as soon as it is.
func (t *talk) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaving = true
	t.sayLocked() // after an error net/http finds the connection broken
}

// Close closes the connection.
func (t *talk) Close() error {
	err := t.Conn.Close()
	t.of.remove(t)
	return err
}

// CloseWrite closes the sending side. net/http uses it to deliver a last response to a client that is still sending.
func (t *talk) CloseWrite() error {
	if w, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// lastWords is how long a connection of HTTP/2 stays open after its last stream. net/http calls a connection idle when the end of a
// stream is in a buffer; that must be written, and the client must have read it, since what it sent meanwhile turns the close into a reset.
const lastWords = time.Second

// connState learns when a connection has no request.
func (t *talk) connState(state http.ConnState) {
	switch state {
	case http.StateActive:
		t.idle.Store(false)
	case http.StateIdle:
		t.idles.Add(1)
		t.idle.Store(true)
		t.of.becameIdle(t)
	case http.StateHijacked:
		t.of.remove(t) // whoever has taken it over closes it
	}
}

// closeIdle closes a connection without a request: one of HTTP/2 later, if it has had none since.
func (t *talk) closeIdle() {
	if t.http2.Load() {
		since := t.idles.Load()
		select {
		case <-time.After(lastWords):
		case <-t.of.over: // it is closed
			return
		}
		if !t.idle.Load() || t.idles.Load() != since {
			return
		}
	}
	t.Close()
}

type tlsKey struct{}

// rememberTLS keeps the connection for Request.TLS, of which net/http knows nothing.
func rememberTLS(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*talk); ok {
		if secure, ok := t.Conn.(*tls.Conn); ok {
			return context.WithValue(ctx, tlsKey{}, secure)
		}
	}
	return ctx
}
