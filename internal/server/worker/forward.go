package worker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/passing"
)

const (
	// clientHeader carries the address of a forwarded request's client.
	clientHeader = "Sohost-Client"

	// tlsHeader says how the client talks TLS, if it does.
	tlsHeader = "Sohost-Tls"

	// placeHeader says how far a forwarded request has come in a chain.
	placeHeader = "Sohost-Place"

	// maxForwarding is how many connections to the taker stay open between requests. There are about as many as callers who
	// waited at the gates; more would only be slower.
	maxForwarding = 1000
)

// proxy forwards the giver's requests to the taker, over connections that it passes to it.
type proxy struct {
	*httputil.ReverseProxy
	transport *http.Transport
}

func newProxy(to *offers, log *slog.Logger) *proxy {
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return connectTo(ctx, to) },
		MaxIdleConnsPerHost: max(1, min(maxForwarding, files.Of(0).Limit/64)), // several givers may have some with one taker
		DisableCompression:  true,
	}
	return &proxy{transport: transport, ReverseProxy: &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Rewrite: func(r *httputil.ProxyRequest) {
			// The taker sees the request as it came, since clients don't know of this hop.
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "sohost", r.In.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, has := r.In.Header[name]; has {
					r.Out.Header[name] = values
				}
			}
			r.Out.Header.Set(clientHeader, r.In.RemoteAddr)
			r.Out.Header.Del(tlsHeader) // a client's own
			if r.In.TLS != nil {
				r.Out.Header.Set(tlsHeader, sayTLS(r.In.TLS))
			}
			r.Out.Header.Del(aheadHeader) // a client's own
			r.Out.Header.Del(placeHeader)
			if place := sohost.ChainPlace(r.In); place != "" {
				r.Out.Header.Set(placeHeader, place)
			}
		},
	}}
}

// noRoom is how often connectTo tries again.
const noRoom = 20 * time.Millisecond

// connectTo opens a connection to the process that serves. It waits while that has no room for one, or this process has none, which
// is full of connections that end. Meanwhile another request's connection may become free.
func connectTo(ctx context.Context, to *offers) (net.Conn, error) {
	for {
		c, err := connect(func(theirs *os.File) error { return to.make(passed{Forward: true}, theirs) })
		if !errors.Is(err, errLeft) && !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ETOOMANYREFS) {
			return c, err
		}
		if ctx.Value(aheadKey{}) != nil {
			return nil, err
		}
		select {
		case <-time.After(noRoom):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// connect opens a connection to another process, to which pass passes one end of a socket pair.
func connect(pass func(theirs *os.File) error) (net.Conn, error) {
	mine, theirs, err := passing.Pair()
	if err != nil {
		return nil, err
	}
	defer mine.Close() // FileConn returns a copy
	defer theirs.Close()
	if err := pass(theirs); err != nil {
		return nil, err
	}
	if err := fault.Error("connection", "of ours"); err != nil {
		return nil, err
	}
	return net.FileConn(mine)
}

// ConnectControl opens a connection to the control server of the worker at the other end of the link.
func ConnectControl(link *passing.Conn) (net.Conn, error) {
	return connect(func(theirs *os.File) error { return link.Send(Order{Control: true}, theirs) })
}

// onBehalf serves a proxy's requests as those of the proxy's clients. Those that were in a chain go on where they were.
func onBehalf(next http.Handler, host *sohost.Host) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get(clientHeader)
		r.Header.Del(clientHeader)
		r.TLS = heardTLS(r.Header.Get(tlsHeader))
		r.Header.Del(tlsHeader)
		if place := r.Header.Get(placeHeader); place != "" {
			r.Header.Del(placeHeader)
			host.ServeFrom(place, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
