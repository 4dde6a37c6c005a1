// Pad keeps what it is sent in the host's caches, and nothing in itself.
//
//	POST /pad?key=K&ttl=D   puts the body under K into the plugin's cache, and the shared one
//	GET  /pad?key=K         answers what both have
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) { return pad{host}, nil },
}

type pad struct{ host abi.Host }

func (p pad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	if r.Method == http.MethodPost {
		ttl, _ := time.ParseDuration(r.URL.Query().Get("ttl"))
		text, _ := io.ReadAll(r.Body)
		p.host.Cache().Put(key, append([]byte("own "), text...), ttl)
		p.host.SharedCache().Put(key, append([]byte("shared "), text...), ttl)
	}
	own, _ := p.host.Cache().Get(key)
	shared, _ := p.host.SharedCache().Get(key)
	fmt.Fprintf(w, "%s, %s\n", own, shared)
}
