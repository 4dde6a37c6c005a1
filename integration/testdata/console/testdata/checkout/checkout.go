// Checkout counts orders. Its state moves in a reload, so callers wait for it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/abi"
)

const version = "v1"

var state = abi.State{Schema: "orders", Version: 1, Value: uint64(0)}

var Plugin = abi.Descriptor{
	ABI: abi.Version, Version: version, State: state,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return new(checkout), nil },
}

type checkout struct{ orders atomic.Uint64 }

var _ abi.Stateful = (*checkout)(nil)

func (c *checkout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Query().Has("slow"):
		time.Sleep(30 * time.Millisecond)
	case r.URL.Query().Has("crash"):
		go price(nil)
		select {}
	}
	fmt.Fprintln(w, version, c.orders.Add(1))
}

// price has a mistake.
func price(basket map[string]int) { basket["apple"] = 7 }

func (c *checkout) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: state.Schema, Version: state.Version, Value: c.orders.Load()}, nil
}

func (c *checkout) Import(_ context.Context, s abi.State) error {
	c.orders.Store(s.Value.(uint64))
	return nil
}

func main() {}
