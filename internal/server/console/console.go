// Package console is a web page of the server: what it serves and has served, live, and the commands that an operator gives most often.
//
// A page can do what the control socket can, so it is as careful about who asks. Without a token it answers only on a loopback address,
// and only users whom the control socket would answer: the kernel says whose process has the other end of a connection. With a token it
// answers whoever knows that. Pages of other sites can neither ask nor order anything, whatever names they give this server; see access.
//
// The page holds no state of the server. Everything that it shows comes from the control API, whose paths it passes on, so it lives
// through handovers, crashes of workers and upgrades.
package console

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/regular"
)

// Options configure a console. Address and Control must be set.
type Options struct {
	// Address is where the console listens, such as 127.0.0.1:8182. One that isn't loopback needs a Token.
	Address string

	// Token is what a browser, or a client's header "Authorization: Bearer", has to know. Default: none, see above.
	Token string

	// Control answers the requests of control.Client, whoever asks.
	Control http.Handler
}

// leastToken is the length of the shortest token.
const leastToken = 16

// ErrNeedsToken is returned for an address that other machines may reach.
var ErrNeedsToken = errors.New("other machines may reach this address: name a file with a token in console_token_file, " +
	"or listen on a loopback address such as 127.0.0.1:8182")

// Check returns an error if there can be no console at the address. The error is ErrNeedsToken if there can with a token.
func Check(address string, token bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("want an address such as 127.0.0.1:8182: %w", err)
	}
	if !token && !isLoopback(host) {
		return ErrNeedsToken
	}
	return nil
}

// ReadToken reads a token from a file, without the white space around it.
func ReadToken(file string) (string, error) {
	text, err := regular.Read(file)
	if err != nil {
		return "", fmt.Errorf("read the console's token: %w; make the file, for example with `openssl rand -hex 32`", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < leastToken {
		return "", fmt.Errorf("the console's token in %s has %d characters, want at least %d; make one with `openssl rand -hex 32`",
			file, len(token), leastToken)
	}
	return token, nil
}

// passed are the requests of the control API that a page may make.
var passed = []string{
	"GET /v1/status", "GET /v1/history", "GET /v1/releases", "GET /v1/events", "GET /v1/crash",
	"POST /v1/deploy", "POST /v1/rollback", "POST /v1/handover", "POST /v1/reload", "POST /v1/quarantine/lift",
	"POST /v1/triggers/enable", "POST /v1/triggers/disable",
}

// NewServer returns the HTTP server of a console. Call its Serve with a listener on the address. The error is Check's.
//
//	GET  /…       the page and its parts
//	POST /login   {"token": "…"} gives the browser a cookie, until it is closed
//	…    /v1/…    some of what package control answers, for those whom access admits
func NewServer(o Options) (*http.Server, error) {
	if err := Check(o.Address, o.Token != ""); err != nil {
		return nil, err
	}
	a := &access{token: o.Token}
	mux := http.NewServeMux()
	mux.Handle("GET /", newAssets())
	mux.Handle("POST /login", http.HandlerFunc(a.login))
	for _, pattern := range passed {
		mux.Handle(pattern, a.admitted(o.Control))
	}
	const patience = 10 * time.Second // with whom access doesn't admit, and until it does
	return &http.Server{
		Handler: secured(a.sameSite(mux)), ConnContext: rememberPeer,
		ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}, nil
}

// secured sets the headers that keep a browser from mixing this page with others.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
