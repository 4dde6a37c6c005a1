package main

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
)

// defaultConfig is read when it exists and --config names no other file.
const defaultConfig = "sohost.toml"

// config is the file that `sohost run` reads. A relative path in it is taken from the file's own directory.
type config struct {
	Listen  string `toml:"listen"`
	Store   string `toml:"store"`
	Control string `toml:"control"`
	Plugins string `toml:"plugins"` // a directory, each of whose *.so is served

	Keep            int      `toml:"keep"`
	Poll            bool     `toml:"poll"`
	Settle          duration `toml:"settle"`
	OpenTimeout     duration `toml:"open_timeout"`
	DrainTimeout    duration `toml:"drain_timeout"`
	ShutdownTimeout duration `toml:"shutdown_timeout"`

	Plugin map[string]pluginConfig `toml:"plugin"`
}

type pluginConfig struct {
	Image  string            `toml:"image"`
	Mode   mode              `toml:"mode"`
	Routes []route           `toml:"routes"`
	Args   map[string]string `toml:"args"`
}

// These types refuse a bad value where it stands, so that the error has its line and column.
type (
	duration time.Duration
	mode     string
	route    string
)

var _ = []encoding.TextUnmarshaler{(*duration)(nil), (*mode)(nil), (*route)(nil)}

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v <= 0 {
		return fmt.Errorf("want a duration such as \"10s\", not %q", b)
	}
	*d = duration(v)
	return nil
}

func (m *mode) UnmarshalText(b []byte) error {
	if v := sohost.Mode(b); v != sohost.Dev && v != sohost.Prod {
		return fmt.Errorf("want %q or %q, not %q", sohost.Dev, sohost.Prod, b)
	}
	*m = mode(b)
	return nil
}

func (r *route) UnmarshalText(b []byte) error {
	if !strings.HasPrefix(string(b), "/") {
		return fmt.Errorf("want a path that begins with /, not %q", b)
	}
	*r = route(b)
	return nil
}

// loadConfig reads a configuration. With no file named it reads ./sohost.toml, and returns nil if there is none.
func loadConfig(file string) (*config, error) {
	named := file != ""
	if !named {
		file = defaultConfig
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("read configuration: %w", err)}
	}
	c := new(config)
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, usageError{positioned(file, err)}
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	for _, p := range []*string{&c.Store, &c.Control, &c.Plugins} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	for name, p := range c.Plugin {
		if p.Image != "" && !filepath.IsAbs(p.Image) {
			p.Image = filepath.Join(dir, p.Image)
			c.Plugin[name] = p
		}
	}
	if err := c.judge(file, data); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// positioned gives each of the decoder's errors as FILE:LINE:COLUMN: what is wrong.
func positioned(file string, err error) error {
	at := func(e *toml.DecodeError) error {
		row, column := e.Position()
		text := strings.TrimPrefix(e.Error(), "toml: ")
		if strings.Contains(text, "strict mode") || strings.Contains(text, "missing field") {
			text = fmt.Sprintf("unknown setting %q", strings.Join(e.Key(), "."))
		}
		return fmt.Errorf("%s:%d:%d: %s", file, row, column, text)
	}
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var errs []error
		for i := range strict.Errors {
			errs = append(errs, at(&strict.Errors[i]))
		}
		return errors.Join(errs...)
	}
	var one *toml.DecodeError
	if errors.As(err, &one) {
		return at(one)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// judge finds what is wrong between settings that are each well-formed.
func (c *config) judge(file string, data []byte) error {
	at := tablePositions(data)
	var errs []error
	bad := func(plugin, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%s: plugin %s: %s", file, at["plugin."+plugin], plugin, fmt.Sprintf(format, args...)))
	}
	taken := map[string]string{}
	for _, name := range c.names() {
		p := c.Plugin[name]
		if !generations.ValidName(name) {
			bad(name, "%v: want letters, digits, '.', '-' and '_', beginning with a letter or digit", generations.ErrName)
		}
		if p.Image == "" {
			bad(name, "no image: name the .so with image = \"…\"")
		}
		for _, r := range p.Routes {
			if other, ok := taken[string(r)]; ok {
				bad(name, "route %s is %s's already", r, other)
			}
			taken[string(r)] = name
		}
	}
	return errors.Join(errs...)
}

func (c *config) names() []string {
	var names []string
	for name := range c.Plugin {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
