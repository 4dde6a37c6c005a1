package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sohost/sohost"
	"github.com/spf13/cobra"
)

// runFlags are the flags of `sohost run`, and the configuration that results from them.
type runFlags struct {
	config
	file      string
	plugins   []string
	logFormat string
	verbose   bool
}

func (r *runFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.file, "config", "", "configuration `file` (default sohost.toml, if there is one)")
	f.String("listen", "127.0.0.1:8181", "`address` for HTTP; port 0: any that is free")
	f.String("store", "", "`directory` for images and releases")
	f.String("control", "", "`path` of the control socket (default $"+controlEnv+", or control.sock beside the store's default)")
	f.String("plugins", "", "serve each *.so of this `directory` in dev mode (default "+defaultPlugins+")")
	f.StringArrayVar(&r.plugins, "plugin", nil, "serve `NAME=FILE`, followed by any of ,mode=dev ,route=/PATH ,arg.KEY=VALUE (default mode prod, route /NAME); may be repeated")
	f.Int("keep", 0, "`number` of releases to keep in the store; negative: all (default 100)")
	f.Bool("poll", false, "watch files by polling alone")
	f.Duration("settle", 0, "how long an image must be quiet before it is read (default 50ms)")
	f.Duration("open-timeout", 0, "limit for opening an image and for New and Start of a plugin (default 10s)")
	f.Duration("drain-timeout", 0, "limit for draining a stateful plugin and moving its state (default 10s)")
	f.Duration("shutdown-timeout", 0, "limit for finishing requests at the end (default 30s)")
	f.Duration("checkpoints", 0, "time between checkpoints of each plugin's state; negative: none (default 1m)")
	f.Duration("hang-timeout", 0, "for how long the process that serves may not answer until it is replaced (default 10s)")
	f.Duration("probation", 0, "how long a release must serve to be the one that a crash goes back to (default 1m)")
	f.Int("old-generations", 0, "`number` of old generations that may stay loaded until a fresh process takes over (default 32)")
	f.Int("old-memory", 0, "`bytes` that they may keep resident until then (default 256 MiB)")
	f.Int("old-goroutines", 0, "`number` of goroutines of theirs that may be left until then (default 1000)")
	f.Duration("handover-timeout", 0, "limit for a handover to a fresh process (default 2m)")
	f.Int("state-limit", 0, "`bytes` that a copy of a plugin's state may take (default 1 GiB)")
	f.StringVar(&r.logFormat, "log-format", "text", "`format`: text or json")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "log what is done nothing about, too")
}

// load reads the configuration, lays the flags that were given over it, and fills in the defaults. Its error names all that
// is wrong with the file, or else all that is wrong with the flags.
func (r *runFlags) load(cmd *cobra.Command) error {
	c, err := loadConfig(r.file)
	if err != nil {
		return err
	}
	r.config = *c
	f := cmd.Flags()
	var errs []error
	for name, to := range map[string]*string{"listen": &r.Listen, "store": &r.Store, "control": &r.Control, "plugins": &r.Plugins} {
		if f.Changed(name) {
			*to, _ = f.GetString(name)
		}
	}
	for name, to := range map[string]*time.Duration{"settle": &r.Settle, "open-timeout": &r.OpenTimeout,
		"drain-timeout": &r.DrainTimeout, "shutdown-timeout": &r.ShutdownTimeout, "hang-timeout": &r.HangTimeout, "handover-timeout": &r.HandoverTimeout,
		"probation": &r.Probation} {
		if !f.Changed(name) {
			continue
		}
		if *to, _ = f.GetDuration(name); *to <= 0 {
			errs = append(errs, fmt.Errorf("--%s %s: want a positive duration such as 10s", name, *to))
		}
	}
	if f.Changed("checkpoints") {
		r.Checkpoints, _ = f.GetDuration("checkpoints")
	}
	if f.Changed("state-limit") {
		r.StateLimit, _ = f.GetInt("state-limit")
	}
	for name, to := range map[string]*int{
		"old-generations": &r.OldGenerations, "old-memory": &r.OldMemory, "old-goroutines": &r.OldGoroutines,
	} {
		if f.Changed(name) {
			*to, _ = f.GetInt(name)
		}
	}
	if f.Changed("keep") {
		r.Keep, _ = f.GetInt("keep")
	}
	if f.Changed("poll") {
		r.Poll, _ = f.GetBool("poll")
	}
	errs = append(errs, r.addPlugins())
	if err := errors.Join(errs...); err != nil {
		return usageError{err}
	}
	return r.fillIn()
}

// addPlugins takes over the plugins of the command line. Each replaces one of that name in the configuration.
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
		if r.Plugin == nil {
			r.Plugin = map[string]pluginConfig{}
		}
		r.Plugin[name] = p
	}
	r.clashes(func(_ string, _ int, text string) { errs = append(errs, errors.New(text)) })
	return errors.Join(errs...)
}

// fillIn sets what neither the configuration nor a flag has set.
func (r *runFlags) fillIn() error {
	if r.Listen == "" {
		r.Listen = "127.0.0.1:8181"
	}
	if r.Plugins == "" && len(r.Plugin) == 0 {
		r.Plugins = r.pluginsDir()
	}
	if r.ShutdownTimeout == 0 {
		r.ShutdownTimeout = 30 * time.Second
	}
	return r.locate()
}

func (r *runFlags) options() sohost.Options {
	o := sohost.Options{
		Store:        r.Store,
		Dir:          r.Plugins,
		Keep:         r.Keep,
		Poll:         r.Poll,
		Settle:       r.Settle,
		OpenTimeout:  r.OpenTimeout,
		DrainTimeout: r.DrainTimeout,
		StateLimit:   int64(r.StateLimit),
		Probation:    r.Probation,
		Budget:       sohost.Budget{Generations: r.OldGenerations, Memory: int64(r.OldMemory), Goroutines: r.OldGoroutines},

		CheckpointInterval: r.Checkpoints,
	}
	for _, name := range r.names() {
		p := r.Plugin[name]
		o.Plugins = append(o.Plugins, sohost.Plugin{Name: name, Image: p.Image, Mode: p.Mode, Routes: p.Routes, Args: p.Args})
	}
	return o
}
