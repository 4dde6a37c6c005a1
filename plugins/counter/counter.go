// Counter shows state that survives its code: each request adds to a total, and the total survives every reload.
//
//	GET /counter         adds the step (argument "step", default 1) and returns the new total
//	GET /counter/total   returns the total without changing it
//
// The lesson is in Export and Import. The host makes new callers wait, waits for the last call of the old generation to return,
// takes the state from it and gives it to the new one. So even a plain number moves exactly: no request is counted twice or lost.
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	New:   newCounter,
	State: abi.State{Schema: schema, Version: 1, Value: uint64(0)},
}

const schema = "counter"

type counter struct {
	step  uint64
	total atomic.Uint64
}

// Without this, a slip in the signature of Export or Import would not be a compile error, but code without state.
var _ abi.Stateful = (*counter)(nil)

func newCounter(_ context.Context, host abi.Host) (abi.Instance, error) {
	c := &counter{step: 1}
	if s, ok := host.Args()["step"]; ok {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("argument step = %q: want a whole number", s)
		}
		c.step = n
	}
	return c, nil
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/total") {
		fmt.Fprintln(w, c.total.Load())
		return
	}
	fmt.Fprintln(w, c.total.Add(c.step))
}

// Export returns the total. No request is served while it runs.
func (c *counter) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: schema, Version: 1, Value: c.total.Load()}, nil
}

// Import accepts the total. It rejects state that it doesn't know, rather than starting from zero.
func (c *counter) Import(_ context.Context, s abi.State) error {
	total, ok := s.Value.(uint64)
	if s.Schema != schema || s.Version != 1 || !ok {
		return fmt.Errorf("state %s version %d (%T) is not a counter's", s.Schema, s.Version, s.Value)
	}
	c.total.Store(total)
	return nil
}

func main() {}
