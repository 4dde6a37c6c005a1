package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/regular"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/sinks"
)

// defaultConfig is read when it exists and --config names no other file.
const defaultConfig = "sohost.toml"

// defaultListen is the address for HTTP when neither one nor a listener is named.
const defaultListen = "127.0.0.1:8181"

// config is the configuration of a server: the defaults, overridden by sohost.toml, by the environment and by flags.
type config struct {
	Listen  string
	Store   string
	Control string
	Metrics string // an address; "" for none
	Pprof   bool
	Console string // an address; "" for none
	Plugins string // a directory whose *.so files are served

	Keep            int
	Writes          bool
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
	StopDelay       time.Duration
	Linger          time.Duration
	LingerWorkers   int
	HeaderLimit     int
	BodyLimit       int
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

	ConnectionsPerAddress int

	ConsoleTokenFile string // "" for none

	Plugin   map[string]pluginConfig
	Listener map[string]listenerConfig
	Sink     map[string]sinks.Config
	Database map[string]query.Options
	Hook     map[string]hooks.Hook

	writing  writesConfig   // if Writes is set
	chains   []sohost.Chain // by route
	settings []setting      // of the fields that hold a single value
	dir      string         // of the file; "" without one
	text     []byte         // of the file
	at       positions      // in the file
}

func newConfig() *config {
	c := &config{
		Plugin: map[string]pluginConfig{}, Listener: map[string]listenerConfig{}, Sink: map[string]sinks.Config{},
		Database: map[string]query.Options{}, Hook: map[string]hooks.Hook{},
	}
	c.settings = c.bind()
	return c
}

type pluginConfig struct {
	Image  string
	Mode   sohost.Mode
	Routes []string // nil until route has been called, if none are named
	Probe  sohost.ProbeMode
	API    string
	Args   map[string]string
	Values map[string]any

	CutAfter time.Duration // 0: never
	Triggers []sohost.Trigger
	Sinks    []string // nil: all
	Disabled bool
}

// loadConfig reads a configuration, and over it the environment. With no file named it reads ./sohost.toml; if there is none,
// everything has its default. Its error is a usageError that lists every fault.
func loadConfig(file string) (*config, error) {
	text, err := configText(file)
	if err != nil {
		return nil, err
	}
	return configOf(file, text)
}

// configText returns the text of the file, or of ./sohost.toml if none is named. That of a file that isn't there is empty, unless it is
// named.
func configText(file string) ([]byte, error) {
	text, err := readConfig(cmp.Or(file, defaultConfig))
	if errors.Is(err, fs.ErrNotExist) && file == "" {
		return nil, nil
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("read configuration: %w", err)}
	}
	return text, nil
}

// readConfig returns the text of a file, without the mark that some editors begin UTF-8 with.
func readConfig(file string) ([]byte, error) {
	text, err := regular.Read(file)
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}

// configOf returns what a text that is, or was, in the file says, and over it the environment.
func configOf(file string, text []byte) (c *config, err error) {
	if c = newConfig(); len(text) > 0 {
		if c, err = parseConfig(cmp.Or(file, defaultConfig), text); err != nil {
			return nil, usageError{err}
		}
	}
	c.text = text
	if env := os.Getenv(controlEnv); env != "" {
		c.Control = env
	}
	return c, nil
}

func (c *config) names() []string { return slices.Sorted(maps.Keys(c.Plugin)) }

// checkName checks what a plugin, a sink or a database is called.
func checkName(kind, name string) error {
	if !generations.ValidName(name) {
		return fmt.Errorf("%s name %q: want letters, digits, '.', '-' and '_', beginning with a letter or digit", kind, name)
	}
	return nil
}
