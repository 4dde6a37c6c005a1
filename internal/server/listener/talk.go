package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

// talks are the connections of a Server that stay in its process.
type talks struct {
	tasks sync.WaitGroup // those that say goodbye

	mu      sync.Mutex // guards what follows
	open    map[*talk]struct{}
	leaving bool
	empty   chan struct{} // closed when no connection of HTTP/2 is left; nil while nobody waits
}

// talk is a connection as its client and net/http see it, after TLS if there is any.
//
// net/http has HTTP/2 over TLS only for a *tls.Conn, to which it writes what nobody else can write between. It takes any connection
// for HTTP/2 in the clear, so a connection of TLS is given to it as one of those.
type talk struct {
	net.Conn
	of *talks

	preface int // how many bytes of HTTP/2's preface were read; only Read has it, until it is done

	mu      sync.Mutex // held while something is written; guards what follows
	frames  frames
	leaving bool // the client is to be told
}

// talking wraps the connections of a listener, unless they can be passed on.
func (s *Server) talking(l net.Listener) net.Listener {
	if !s.stays() {
		return l
	}
	return &talkListener{l, s}
}

type talkListener struct {
	net.Listener
	server *Server
}

func (l *talkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.server.secure != nil {
		c = tls.Server(c, l.server.secure)
	}
	return l.server.talks.add(c), nil
}

func (s *talks) add(c net.Conn) *talk {
	t := &talk{Conn: c, of: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*talk]struct{}{}
	}
	s.open[t] = struct{}{}
	t.leaving = s.leaving
	return t
}

func (s *talks) remove(t *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
	if s.empty != nil && !s.anyLocked() {
		close(s.empty)
		s.empty = nil
	}
}

// anyLocked reports whether there is a connection of HTTP/2. s.mu is held.
func (s *talks) anyLocked() bool {
	for t := range s.open {
		if t.isHTTP2() {
			return true
		}
	}
	return false
}

// left reports whether clients are to open new connections.
func (s *talks) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// leave tells the clients of connections of HTTP/2. Each is told by a goroutine of its own, since a client may not read.
func (s *talks) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return
	}
	s.leaving = true
	for t := range s.open {
		s.tasks.Go(t.leave)
	}
}

// wait waits until there is no connection of HTTP/2, or until ctx ends.
func (s *talks) wait(ctx context.Context) {
	s.mu.Lock()
	if !s.anyLocked() {
		s.mu.Unlock()
		return
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// preface is what a client of HTTP/2 sends first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Read reads what the client sends, and finds out by its beginning whether that is HTTP/2.
func (t *talk) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if t.preface >= 0 && t.preface < len(preface) {
		t.begin(p[:n])
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
			t.mu.Lock()
			defer t.mu.Unlock()
			t.frames.on = true
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
	if !t.frames.on {
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
	if t.frames.said || !t.frames.between() {
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

func (t *talk) isHTTP2() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.frames.on
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
