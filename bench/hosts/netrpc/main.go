// Netrpc replaces plugins that are processes of their own, with hashicorp/go-plugin and net/rpc: it starts the new one, swaps a pointer,
// and ends the old one.
package main

import (
	"os"
	"sync/atomic"

	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/bench/rpc"
	"github.com/sohost/sohost/bench/work"
)

func main() { lane.Main(open) }

func open() (*lane.Host, error) {
	// A library below writes there that the old plugin is gone. What this host has to say is in its answers.
	os.Stderr, _ = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	var current atomic.Pointer[work.Counter]
	stop := func() {}
	load := func(file string) (func(), error) {
		counter, end, err := rpc.Start(file, false)
		if err != nil {
			return nil, err
		}
		old := stop
		var c work.Counter = counter
		current.Store(&c)
		stop = end
		return old, nil
	}
	h := lane.Of(load, &current)
	h.Close = func() { stop() }
	return h, nil
}
