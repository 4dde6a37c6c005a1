package adapter

import (
	"context"
	"net/http"
)

// Middleware is an instance that stands before another handler. It has one handler of its own for all requests, so the plugin's code is
// asked once for it, when the instance is made, and can refuse a configuration then. Which handler comes after it is known only with a
// request: it may be another plugin, whose code changes.
type Middleware struct {
	handler http.Handler
}

// nextKey is the key of a request's context for the handler after the middleware: each middleware has its own.
type nextKey struct{ m *Middleware }

// NewMiddleware makes an instance of what build returns. The handler next that build gets passes each request on to what comes after
// the middleware for that request.
func NewMiddleware(build func(next http.Handler) (http.Handler, error)) (*Middleware, error) {
	m := &Middleware{}
	handler, err := build(http.HandlerFunc(m.next))
	m.handler = handler
	return m, err
}

// Wrap implements abi.Middleware. It may be called any number of times, and returns no error.
func (m *Middleware) Wrap(next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), nextKey{m}, next)))
	}), nil
}

// ServeHTTP serves requests with nothing after the middleware: those that it passes on get 404.
func (m *Middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// next passes a request on.
func (m *Middleware) next(w http.ResponseWriter, r *http.Request) {
	next, ok := r.Context().Value(nextKey{m}).(http.Handler)
	if !ok {
		http.Error(w, "the plugin passed the request on, and nothing comes after it: give its route a backend, or put it before another "+
			"plugin in a chain", http.StatusNotFound)
		return
	}
	next.ServeHTTP(w, r)
}

// Closer is what instances have whose plugin was given a context: it ends when they are closed.
type Closer context.CancelFunc

// Close implements io.Closer.
func (c Closer) Close() error {
	c()
	return nil
}
