// Real is the part that the plugins of TestReal have in common. Each is this file and one other, which defines exercise: it uses a
// library of the world outside, and answers with what came of it.
//
//	GET /real  exercises the library; answers the number of requests so far, the revision of this code, and what came of it
package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	New:   func(context.Context, abi.Host) (abi.Instance, error) { return new(real), nil },
	State: abi.State{Schema: schema, Version: 1, Value: uint64(0)},
}

const (
	schema   = "real"
	revision = "first"
)

type real struct{ requests atomic.Uint64 }

var _ abi.Stateful = (*real)(nil)

func (r *real) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	answer, err := exercise(req.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, r.requests.Add(1), revision, answer)
}

func (r *real) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: schema, Version: 1, Value: r.requests.Load()}, nil
}

func (r *real) Import(_ context.Context, s abi.State) error {
	requests, ok := s.Value.(uint64)
	if s.Schema != schema || s.Version != 1 || !ok {
		return fmt.Errorf("state %s version %d (%T) is not this plugin's", s.Schema, s.Version, s.Value)
	}
	r.requests.Store(requests)
	return nil
}

func main() {}
