// Fragile counts by key, with an Export and Import of its own that tests make misbehave.
package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/sohost/sohost/abi"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: abi.State{Schema: "fragile", Version: 1, Value: map[string]int(nil)},
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &fragile{counts: map[string]int{}}, nil
	},
}

type fragile struct {
	mu     sync.Mutex
	counts map[string]int
}

func (f *fragile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts["total"]++
	fmt.Fprintln(w, f.counts["total"])
}

func (f *fragile) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "fragile", Version: 1, Value: f.counts}, nil
}

func (f *fragile) Import(ctx context.Context, s abi.State) error {
	f.counts = s.Value.(map[string]int)
	return nil
}

func main() {}
