package main

import (
	"slices"

	"github.com/sohost/sohost"
)

// options returns what a worker's Host is configured with.
func (c *config) options() sohost.Options {
	o := sohost.Options{
		Store:              c.Store,
		Dir:                c.Plugins,
		Keep:               c.Keep,
		Poll:               c.Poll,
		AnyOwner:           c.AnyOwner,
		OutsideLinks:       c.OutsideLinks,
		Settle:             c.Settle,
		OpenTimeout:        c.OpenTimeout,
		DrainTimeout:       c.DrainTimeout,
		BootWait:           c.BootWait,
		StateLimit:         int64(c.StateLimit),
		CheckpointInterval: c.Checkpoints,
		CheckpointPause:    c.CheckpointPause,
		Probation:          c.Probation,
		Budget:             sohost.Budget{Generations: c.OldGenerations, Memory: int64(c.OldMemory), Goroutines: c.OldGoroutines, Files: c.OpenFiles},
	}
	o.Disabled, o.Chains = c.disabled()
	for _, name := range c.names() {
		p := c.Plugin[name]
		if p.Disabled {
			continue
		}
		o.Plugins = append(o.Plugins, sohost.Plugin{
			Name: name, Image: p.Image, Mode: p.Mode, Routes: p.Routes, Probe: p.Probe, API: p.API, Args: p.Args, Values: p.Values,
			CutAfter: p.CutAfter, Triggers: p.Triggers,
		})
	}
	return o
}

// disabled returns the plugins that are not to run, with all paths that are theirs, and the chains that have none of them.
func (c *config) disabled() (off []sohost.Disabled, chains []sohost.Chain) {
	routes := map[string][]string{}
	for name, p := range c.Plugin {
		if !p.Disabled {
			continue
		}
		routes[name] = slices.Clone(p.Routes)
		for _, t := range p.Triggers {
			routes[name] = append(routes[name], t.Paths()...)
		}
	}
	for _, chain := range c.chains {
		at := slices.IndexFunc(chain.Plugins, func(name string) bool { return c.Plugin[name].Disabled })
		if at < 0 {
			chains = append(chains, chain)
			continue
		}
		name := chain.Plugins[at]
		routes[name] = append(routes[name], chain.Route)
	}
	for _, name := range c.names() {
		if c.Plugin[name].Disabled {
			off = append(off, sohost.Disabled{Name: name, Routes: routes[name]})
		}
	}
	return off, chains
}
