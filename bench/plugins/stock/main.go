// Stock is a plugin for plugin.Open.
package main

import "github.com/sohost/sohost/bench/work"

type counter struct{ _ int }

func (c *counter) Next(n int) int        { return work.Next(n) }
func (c *counter) Count(text string) int { return work.Count(text) }
func (c *counter) Version() int          { return work.Version() }

// Counter is what the host looks for.
var Counter counter

func main() {}
