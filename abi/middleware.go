package abi

import "net/http"

// Middleware is implemented by an instance that stands before other plugins, or before a server elsewhere, in the chain of a
// route. The last plugin of a chain without such a server is called as an http.Handler instead.
type Middleware interface {
	// Wrap returns the handler for one place in a chain. It answers a request itself, or has next answer it, which is what comes
	// after that place, in whichever generation serves when it is called. The handler may change the request, keep its context or
	// one made from it, and wrap the ResponseWriter; one that wraps it should have an Unwrap method, see http.ResponseController.
	//
	// The host calls Wrap once for each place that the plugin has, between New and Import. After an error the previous generation
	// continues to serve. Next must not be called before Start.
	Wrap(next http.Handler) (http.Handler, error)
}
