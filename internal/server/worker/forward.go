package worker

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"

	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/passing"
)

const (
	// clientHeader carries the address of a forwarded request's client.
	clientHeader = "Sohost-Client"

	// maxForwarding is how many connections to the taker stay open between requests. There are about as many as callers who
	// waited at the gates; more would only be slower.
	maxForwarding = 1000
)

// proxy forwards the giver's requests to the taker, over connections that it passes to it.
type proxy struct {
	*httputil.ReverseProxy
	transport *http.Transport
}

func newProxy(connections *passing.Conn, log *slog.Logger) *proxy {
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return connectBy(connections, passed{Forward: true})
		},
		MaxIdleConnsPerHost: maxForwarding,
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
		},
	}}
}

func (p *proxy) close() { p.transport.CloseIdleConnections() }

// connectBy opens a connection to the process at the other end, by passing it one end of a socket pair.
func connectBy(to *passing.Conn, message any) (net.Conn, error) {
	mine, theirs, err := passing.Pair()
	if err != nil {
		return nil, err
	}
	defer mine.Close() // FileConn returns a copy
	defer theirs.Close()
	if err := to.Send(message, theirs); err != nil {
		return nil, err
	}
	if err := fault.Error("connection", "of ours"); err != nil {
		return nil, err
	}
	return net.FileConn(mine)
}

// ConnectControl opens a connection to the control server of the worker at the other end of the link.
func ConnectControl(link *passing.Conn) (net.Conn, error) {
	return connectBy(link, Order{Control: true})
}

// onBehalf serves a proxy's requests as those of the proxy's clients.
func onBehalf(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get(clientHeader)
		r.Header.Del(clientHeader)
		next.ServeHTTP(w, r)
	})
}
