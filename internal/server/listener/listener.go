// Package listener serves HTTP on one of a server's listening sockets: in the clear or over TLS, HTTP/1.1 and HTTP/2.
//
// A process that gives its plugins away loses no connection. Those that can be passed to another process are, see package conns.
// The clients of the others are told to open new ones, which go to that process, and what they have asked for is answered here:
// HTTP/1.1 by "Connection: close", HTTP/2 by GOAWAY.
package listener

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/conns"
)

// Plain is the name of the socket of the setting listen.
const Plain = "http"

// Settings say how the connections of a socket are served.
type Settings struct {
	Name string `json:"name"`

	// Address is where the socket listens, as Listen takes it, and Mode that of a unix socket's file. These are the supervisor's business.
	// Default: the socket is somebody else's, such as systemd's.
	Address string      `json:"address,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`

	// Pair is the certificate and key for TLS; nil for none. Files is where they come from, which is the supervisor's business.
	Pair  *certs.Pair `json:"pair,omitempty"`
	Files certs.Files `json:"files,omitzero"`

	// H2C permits HTTP/2 without TLS, for clients that know of it.
	H2C bool `json:"h2c,omitempty"`

	// PerAddress bounds the connections from one address, or from one /64 of IPv6. 0: no limit.
	PerAddress int `json:"per_address,omitempty"`
}

// Limits bound what a client holds or sends.
type Limits struct {
	// Header is how long a request's header may take. Slow mobile clients need seconds. Over TLS it includes the handshake.
	Header time.Duration `json:"header"`

	// Body is how long nothing of a request's body may arrive while there is more to come. Negative: for ever.
	Body time.Duration `json:"body"`

	// Idle is how long a keep-alive connection may be without a request.
	Idle time.Duration `json:"idle"`

	// HeaderBytes is how large a request's header may be.
	HeaderBytes int `json:"header_bytes,omitempty"`

	// BodyBytes is how large a request's body may be. 0: as large as the plugin permits.
	BodyBytes int64 `json:"body_bytes,omitempty"`
}

// DefaultLimits returns limits that suit most servers.
func DefaultLimits() Limits {
	return Limits{Header: 30 * time.Second, Body: time.Minute, Idle: 3 * time.Minute, HeaderBytes: 64 << 10}
}

// OrDefault returns the limits, with the default for each that is zero.
func (l Limits) OrDefault() Limits {
	d := DefaultLimits()
	return Limits{
		Header: cmp.Or(l.Header, d.Header), Body: cmp.Or(l.Body, d.Body), Idle: cmp.Or(l.Idle, d.Idle),
		HeaderBytes: cmp.Or(l.HeaderBytes, d.HeaderBytes), BodyBytes: l.BodyBytes,
	}
}

// Server serves the connections of one socket.
type Server struct {
	settings    Settings
	socket      net.Listener
	on          net.Listener // the same, while there is room for open files
	http        *http.Server
	accepted    *conns.Set   // connections that this process has accepted
	passedOn    *conns.Set   // and those that an earlier process has
	inherited   *conns.Queue // by which these come
	from        *conns.Addresses
	talks       *talks // those of both that can't be passed on again
	pending     pending
	ending      atomic.Bool   // Shutdown was called
	shut        chan struct{} // closed when no more connections come by the socket
	certificate atomic.Pointer[tls.Certificate]
	secure      *tls.Config // nil without TLS
}

// New returns a Server for the connections of on. It fails for a pair that is none.
func New(on net.Listener, settings Settings, limits Limits, handler http.Handler, errorLog *log.Logger) (*Server, error) {
	limits = limits.OrDefault()
	s := &Server{
		settings: settings, socket: on, on: files.Listener(on, 1), inherited: conns.NewQueue(on.Addr()), from: conns.NewAddresses(settings.PerAddress),
		accepted: conns.NewSet(limits.Idle), passedOn: conns.NewSet(limits.Idle), talks: newTalks(),
		shut: make(chan struct{}),
	}
	s.accepted.Count(s.from)
	s.passedOn.Count(s.from)
	if settings.Pair != nil {
		if err := s.SetPair(*settings.Pair); err != nil {
			return nil, err
		}
		s.secure = &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Over TLS, too: net/http doesn't know of that, see talk.
	protocols.SetUnencryptedHTTP2(s.stays())
	s.http = &http.Server{
		Handler:   s.told(bounded(limits.Body, sized(limits.BodyBytes, handler))),
		ConnState: s.connState, ConnContext: s.connContext, ErrorLog: errorLog, Protocols: protocols,
		ReadHeaderTimeout: limits.Header, IdleTimeout: limits.Idle, MaxHeaderBytes: limits.HeaderBytes,
		// A client that has vanished must not hold its streams, and with them an old process.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	return s, nil
}

// Name returns the socket's name.
func (s *Server) Name() string { return s.settings.Name }

// Secure reports whether clients talk TLS.
func (s *Server) Secure() bool { return s.secure != nil }

// stays reports whether connections stay in this process once their clients have sent anything.
func (s *Server) stays() bool { return s.secure != nil || s.settings.H2C }

// SetPair makes new connections use another certificate. After an error the one before stays.
func (s *Server) SetPair(p certs.Pair) error {
	c, err := p.Load()
	if err == nil {
		s.certificate.Store(c)
	}
	return err
}

// Accept serves the connections that come by the socket, until that is closed or an accept fails. The error is net.ErrClosed or
// http.ErrServerClosed if it was closed here. It is called once.
func (s *Server) Accept() error {
	defer close(s.shut)
	if err := begin(s.socket); err != nil {
		return err
	}
	return s.serve(s.accepted.Listener(s.on))
}

// Inherit serves the connections given to Push, until the Server is closed.
func (s *Server) Inherit() error { return s.serve(s.passedOn.Listener(s.inherited)) }

func (s *Server) serve(l net.Listener) error {
	s.pending.add(1)
	defer s.pending.add(-1)
	if s.stays() {
		l = &talkListener{l, s}
	}
	return s.http.Serve(l)
}

// Push serves a connection that an earlier process has accepted, and of which it has read nothing. After an error it belongs to the
// caller.
func (s *Server) Push(c net.Conn) error { return s.inherited.Push(c) }

// StopAccepting closes this process's copy of the socket.
func (s *Server) StopAccepting() { s.on.Close() }

// Move passes connections to another process, as conns.Set.Move does.
func (s *Server) Move(pass func(*os.File) error) {
	s.accepted.Move(pass)
	s.passedOn.Move(pass)
}

// Leave tells the clients of connections that can't be passed on to open new ones. It doesn't wait; connections that are accepted
// later are told as well. Those of HTTP/2 are closed when they have no stream, after a time for their clients to take notice.
func (s *Server) Leave() { s.talks.leave() }

// CloseIdle closes connections that can't be passed on as soon as they have no request, now and later. It is for some time after
// Leave, for clients that didn't have an answer since, or don't do as they were told.
func (s *Server) CloseIdle() { s.talks.closeIdle(closeAll) }

// Len returns how many connections are open.
func (s *Server) Len() int { return s.accepted.Len() + s.passedOn.Len() }

// Refused returns how many connections were closed at once, because their address had as many as it may.
func (s *Server) Refused() int64 { return s.from.Refused() }

// Wait waits until no connection is open, or until ctx ends.
func (s *Server) Wait(ctx context.Context) error {
	return errors.Join(s.accepted.Wait(ctx), s.passedOn.Wait(ctx))
}

// FirstRequest is how long clients usually need for the first request on a connection that they have just made.
const FirstRequest = 5 * time.Second

// Shutdown accepts no more connections, closes those that are idle, and waits for the requests of the others, or until ctx ends. New
// connections have the time first for a request. Clients are told that a connection ends. Hijacked connections stay.
//
// It doesn't use http.Server.Shutdown, after which a request that has just been read, or a part of one, gets no answer.
func (s *Server) Shutdown(ctx context.Context, first time.Duration) error {
	s.ending.Store(true)
	s.StopAccepting()
	s.inherited.Close()
	s.Leave()
	s.talks.closeIdle(closeServed)
	s.passedOn.CloseIdle(true) // they have been idle before
	s.accepted.CloseIdle(false)
	late := time.AfterFunc(first, func() {
		s.accepted.CloseIdle(true)
		s.CloseIdle()
	})
	defer late.Stop()
	return s.pending.wait(ctx)
}

// Retire waits until the socket is shut, in whichever process, and all connections that were made before are accepted. Then, or when ctx
// ends, it does as Shutdown does.
func (s *Server) Retire(ctx context.Context, first time.Duration) error {
	select {
	case <-s.shut:
	case <-ctx.Done():
	}
	return s.Shutdown(ctx, first)
}

// Close closes all connections but the hijacked ones.
func (s *Server) Close() error {
	err := s.http.Close()
	s.talks.end()
	return err
}

func (s *Server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.pending.add(1)
	case http.StateClosed, http.StateHijacked:
		s.pending.add(-1)
	}
	if t, ok := c.(*talk); ok {
		t.connState(state)
		if state != http.StateHijacked { // what this connection has read, net/http's calls don't show
			return
		}
		c = t.socket
	}
	s.accepted.ConnState(c, state)
}

func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	return rememberTLS(s.accepted.ConnContext(ctx, c), c)
}

// told is what all requests pass through first.
func (s *Server) told(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Secure() {
			state := r.Context().Value(tlsKey{}).(*tls.Conn).ConnectionState()
			r.TLS = &state
		}
		if r.ProtoMajor == 1 && (s.ending.Load() || s.stays() && s.talks.leaving.Load()) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
