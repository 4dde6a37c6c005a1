// Package backend passes requests on to a server elsewhere. It keeps no state but idle connections.
package backend

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// Parse reads the URL of a server: http or https, a host, and a path that is put before that of each request.
func Parse(text string) (*url.URL, error) {
	to, err := url.Parse(text)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.RawQuery != "" || to.Fragment != "" {
		return nil, fmt.Errorf("backend %q: want a URL such as http://127.0.0.1:9000", text)
	}
	if to.User != nil {
		return nil, fmt.Errorf("backend %s: its user isn't passed on: leave it out", to.Redacted())
	}
	return to, nil
}

// New returns a handler that passes requests on with the Host of the client and the usual X-Forwarded headers, and answers 502 if the
// server can't be reached. It writes what it gets at once, and connects both sides when the server switches protocols, as for websockets.
func New(to *url.URL, log *slog.Logger) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // there is one host: with 2 of them nearly every request would connect
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else the client has gone
				log.Warn("the backend of a route doesn't answer", "backend", to.String(), "path", r.URL.Path, "err", err)
			}
			http.Error(w, "the server behind this one doesn't answer", http.StatusBadGateway)
		},
	}
}
