package main

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runFlags are the flags of `sohost run`, and the configuration that results from them.
type runFlags struct {
	*config
	file      string
	plugins   []string
	logFormat string
	verbose   bool
}

// add adds the flags to a command: one for each setting, and a few that sohost.toml doesn't have.
func (r *runFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false // related flags stand together
	f.StringVar(&r.file, "config", "", "configuration `file` (default "+defaultConfig+", if it exists)")
	f.StringArrayVar(&r.plugins, "plugin", nil, "serve `NAME=FILE`, with any of ,mode=dev ,route=/PATH ,probe=unwalled ,api=API ,arg.KEY=VALUE ,sink=NAME ,trigger=SPEC after it "+
		"(default mode prod, route /NAME); may be repeated")
	for _, s := range newConfig().settings {
		flag := f.VarPF(&givenFlag{kind: s.value.kind}, s.flag(), "", s.help)
		flag.DefValue = s.standard()
		if s.value.kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	f.StringVar(&r.logFormat, "log-format", "text", "`format` of the log: text or json")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "also log events that need no action")
}

// givenFlag keeps the text of a flag. It is parsed after the configuration file, together with all others, so that every
// fault is reported.
type givenFlag struct{ kind, text string }

func (g *givenFlag) String() string        { return g.text }
func (g *givenFlag) Type() string          { return g.kind }
func (g *givenFlag) Set(text string) error { g.text = text; return nil }

// load reads the configuration and lays the flags over it. Its error lists every fault of the file, or, if there are none,
// every fault of the flags.
func (r *runFlags) load(cmd *cobra.Command) error {
	c, err := loadConfig(r.file)
	if err != nil {
		return err
	}
	r.config = c
	var errs []error
	for _, s := range c.settings {
		flag := cmd.Flags().Lookup(s.flag())
		if !flag.Changed {
			continue
		}
		if err := s.value.fromFlag(flag.Value.String()); err != nil {
			errs = append(errs, fmt.Errorf("--%s %s: %w", flag.Name, flag.Value, err))
		}
	}
	errs = append(errs, r.addPlugins())
	if err := errors.Join(errs...); err != nil {
		return usageError{err}
	}
	if r.Listen == "" && len(r.Listener) == 0 {
		r.Listen = defaultListen
	}
	if r.Plugins == "" && len(r.Plugin) == 0 {
		r.Plugins = r.pluginsDir()
	}
	return r.locate()
}

// addPlugins adds the plugins of the command line. Each replaces the one of that name in the configuration.
func (r *runFlags) addPlugins() error {
	var errs []error
	given := map[string]bool{}
	for _, arg := range r.plugins {
		name, p, err := parsePlugin(arg)
		if err == nil && given[name] {
			err = fmt.Errorf("plugin %s is named twice", name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--plugin %s: %w", arg, err))
			continue
		}
		given[name] = true
		r.Plugin[name] = p
	}
	r.route()
	bad := func(_ keyPath, text string) { errs = append(errs, errors.New(text)) }
	r.clashes(bad)
	r.unknownSinks(bad)
	r.loops(bad)
	r.checkConsole(bad)
	return errors.Join(errs...)
}

func (c *config) options() sohost.Options {
	o := sohost.Options{
		Chains:             c.chains,
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
	for _, name := range c.names() {
		p := c.Plugin[name]
		o.Plugins = append(o.Plugins, sohost.Plugin{
			Name: name, Image: p.Image, Mode: p.Mode, Routes: p.Routes, Probe: p.Probe, API: p.API, Args: p.Args, Values: p.Values,
			Triggers: p.Triggers,
		})
	}
	return o
}

var _ pflag.Value = (*givenFlag)(nil)
