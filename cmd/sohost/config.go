package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/sinks"
	"github.com/sohost/sohost/internal/writes"
)

// defaultConfig is read when it exists and --config names no other file.
const defaultConfig = "sohost.toml"

// defaultListen is the address for HTTP when none is named.
const defaultListen = "127.0.0.1:8181"

// config is the configuration of a server: the defaults, overridden by sohost.toml, by the environment and by flags.
type config struct {
	Listen  string
	Store   string
	Control string
	Metrics string // an address; "" for none
	Plugins string // a directory whose *.so files are served

	Keep            int
	Writes          bool
	writing         writesConfig
	Poll            bool
	AnyOwner        bool
	OutsideLinks    bool
	Settle          time.Duration
	OpenTimeout     time.Duration
	DrainTimeout    time.Duration
	BootWait        time.Duration
	HeaderTimeout   time.Duration
	BodyTimeout     time.Duration
	IdleTimeout     time.Duration
	ShutdownTimeout time.Duration
	Checkpoints     time.Duration // negative: none
	CheckpointPause time.Duration
	StateLimit      int
	HangTimeout     time.Duration
	Probation       time.Duration
	OldGenerations  int
	OldMemory       int
	OldGoroutines   int
	OpenFiles       int
	HandoverTimeout time.Duration

	Plugin map[string]pluginConfig
	Sink   map[string]sinks.Config
	Chains []sohost.Chain // by route

	Database map[string]query.Options

	settings []setting // of the fields above but Plugin
	dir      string    // of the file; "" without one
}

func newConfig() *config {
	c := &config{Plugin: map[string]pluginConfig{}, Sink: map[string]sinks.Config{}, Database: map[string]query.Options{}}
	c.settings = c.bind()
	return c
}

type pluginConfig struct {
	Image  string
	Mode   sohost.Mode
	Routes []string
	Probe  sohost.ProbeMode
	API    string
	Args   map[string]string
	Values map[string]any

	Triggers []sohost.Trigger
	Sinks    []string // nil: all
}

// sinksOf returns the sinks of the plugins that name some.
func (c *config) sinksOf() map[string][]string {
	of := map[string][]string{}
	for name, p := range c.Plugin {
		if p.Sinks != nil {
			of[name] = p.Sinks
		}
	}
	return of
}

// loadConfig reads a configuration, and over it the environment. With no file named it reads ./sohost.toml; if there is none,
// everything has its default. Its error is a usageError that lists every fault.
func loadConfig(file string) (*config, error) {
	named := file != ""
	if !named {
		file = defaultConfig
	}
	c := newConfig()
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case err != nil:
		return nil, usageError{fmt.Errorf("read configuration: %w", err)}
	default:
		if c, err = parseConfig(file, data); err != nil {
			return nil, usageError{err}
		}
	}
	if env := os.Getenv(controlEnv); env != "" {
		c.Control = env
	}
	return c, nil
}

func (c *config) names() []string { return slices.Sorted(maps.Keys(c.Plugin)) }

// clashes calls bad for each route that an earlier plugin, or the same plugin, already has, and for each path of a trigger that another
// plugin has, and for each sink that there isn't. at is the place in the plugin's table.
func (c *config) clashes(bad func(name string, at keyPath, text string)) {
	taken := map[string]string{}
	if c.Writes {
		for _, p := range writes.Paths {
			taken[p] = ""
		}
	}
	for _, name := range c.names() {
		for i, r := range c.Plugin[name].Routes {
			if r == "" {
				continue // already reported
			}
			if other, ok := taken[path.Clean(r)]; ok && other == "" {
				bad(name, keyPath{"routes", strconv.Itoa(i)}, fmt.Sprintf("plugin %s: route %s is where clients write: give it another, or leave writes out", name, r))
			} else if ok {
				bad(name, keyPath{"routes", strconv.Itoa(i)}, fmt.Sprintf("plugin %s: plugin %s already has route %s", name, other, r))
			}
			taken[path.Clean(r)] = name
		}
	}
	for _, name := range c.names() {
		for i, s := range c.Plugin[name].Sinks {
			if _, has := c.Sink[s]; !has {
				bad(name, keyPath{"sinks", strconv.Itoa(i)}, fmt.Sprintf("plugin %s: there is no sink %q: the sinks are %v", name, s,
					slices.Sorted(maps.Keys(c.Sink))))
			}
		}
		for i, t := range c.Plugin[name].Triggers {
			for _, p := range t.Paths() {
				if other, ok := taken[p]; ok && other == "" {
					bad(name, keyPath{"trigger", strconv.Itoa(i), "spec"}, fmt.Sprintf("plugin %s: path %s is where clients write: name another", name, p))
				} else if ok && other != name {
					bad(name, keyPath{"trigger", strconv.Itoa(i), "spec"}, fmt.Sprintf("plugin %s: plugin %s already has path %s", name, other, p))
				}
				taken[p] = name
			}
		}
	}
}

func checkName(name string) error {
	if !generations.ValidName(name) {
		return fmt.Errorf("plugin name %q: want letters, digits, '.', '-' and '_', beginning with a letter or digit", name)
	}
	return nil
}

// defaultRoutes returns the routes of a plugin that names none.
func defaultRoutes(name string) []string { return []string{"/" + name} }
