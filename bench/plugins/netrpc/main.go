// Netrpc is a plugin in a process of its own that is called by net/rpc.
package main

import (
	"github.com/sohost/sohost/bench/rpc"
	"github.com/sohost/sohost/bench/work"
)

type counter struct{}

func (counter) Next(n int) int        { return work.Next(n) }
func (counter) Count(text string) int { return work.Count(text) }
func (counter) Version() int          { return work.Version() }

func main() { rpc.Serve(counter{}, false) }
