// Sohost is a plugin for this project.
package main

import (
	"context"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/bench/work"
)

type counter struct{ _ int }

func (c *counter) Next(n int) int        { return work.Next(n) }
func (c *counter) Count(text string) int { return work.Count(text) }
func (c *counter) Version() int          { return work.Version() }

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return &counter{}, nil },
}

func main() {}
