package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
)

// defaultConfig is read when it exists and --config names no other file.
const defaultConfig = "sohost.toml"

// config is what sohost.toml says. A relative path in it is taken from the file's own directory.
type config struct {
	Listen  string
	Store   string
	Control string
	Plugins string // a directory, each of whose *.so is served

	Keep            int
	Poll            bool
	Settle          time.Duration
	OpenTimeout     time.Duration
	DrainTimeout    time.Duration
	ShutdownTimeout time.Duration
	Checkpoints     time.Duration // negative: none
	StateLimit      int
	HangTimeout     time.Duration
	Probation       time.Duration
	OldGenerations  int
	OldMemory       int
	OldGoroutines   int
	HandoverTimeout time.Duration

	Plugin map[string]pluginConfig

	dir string // the file's; "" without a file
}

type pluginConfig struct {
	Image  string
	Mode   sohost.Mode
	Routes []string
	Args   map[string]string
}

// loadConfig reads a configuration, and over it the environment. With no file named it reads ./sohost.toml, and if there is
// none the configuration is empty. What can't be used is a usageError that names all of it.
func loadConfig(file string) (*config, error) {
	named := file != ""
	if !named {
		file = defaultConfig
	}
	c := new(config)
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case err != nil:
		return nil, usageError{fmt.Errorf("read configuration: %w", err)}
	default:
		if c, err = readConfig(file, data); err != nil {
			return nil, usageError{err}
		}
	}
	if env := os.Getenv(controlEnv); env != "" {
		c.Control = env
	}
	return c, nil
}

// readConfig reads the text of the configuration in file.
func readConfig(file string, data []byte) (*config, error) {
	c, err := parseConfig(file, data)
	if err != nil {
		return nil, err
	}
	if c.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
		return nil, err
	}
	c.resolve(&c.Store)
	c.resolve(&c.Control)
	c.resolve(&c.Plugins)
	for name, p := range c.Plugin {
		c.resolve(&p.Image)
		c.Plugin[name] = p
	}
	return c, nil
}

func (c *config) resolve(file *string) {
	if *file != "" && !filepath.IsAbs(*file) {
		*file = filepath.Join(c.dir, *file)
	}
}

func (c *config) names() []string { return slices.Sorted(maps.Keys(c.Plugin)) }

// clashes calls bad for each route that an earlier plugin, or the same one, has already.
func (c *config) clashes(bad func(name string, route int, text string)) {
	taken := map[string]string{}
	for _, name := range c.names() {
		for i, r := range c.Plugin[name].Routes {
			if other, ok := taken[path.Clean(r)]; ok {
				bad(name, i, fmt.Sprintf("plugin %s: route %s is %s's already", name, r, other))
			}
			taken[path.Clean(r)] = name
		}
	}
}

func checkName(name string) error {
	if !generations.ValidName(name) {
		return fmt.Errorf("plugin name %q: want letters, digits, '.', '-' and '_', beginning with a letter or digit", name)
	}
	return nil
}

func checkMode(mode string) error {
	if m := sohost.Mode(mode); m != sohost.Dev && m != sohost.Prod {
		return fmt.Errorf("want %q or %q, not %q", sohost.Dev, sohost.Prod, mode)
	}
	return nil
}

func checkRoute(route string) error {
	if !strings.HasPrefix(route, "/") {
		return fmt.Errorf("want a path that begins with /, not %q", route)
	}
	return nil
}

// defaultRoutes are those of a plugin of which nothing is said.
func defaultRoutes(name string) []string { return []string{"/" + name} }
