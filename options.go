package sohost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

// Options say what a Host serves and how. The zero value of every field but Store works.
type Options struct {
	// Store is the directory that holds images and releases. It is made if it doesn't exist, and belongs to one
	// process at a time.
	Store string

	// Plugins are the plugins by name.
	Plugins []Plugin

	// Dir, if set, is a directory each of whose *.so files is a plugin in Dev mode, named after the file and routed under
	// /NAME. A file that appears later is a new plugin. A file that goes away changes nothing until the next start.
	Dir string

	// Logger gets one line for each reload and each refusal. Default: slog.Default().
	Logger *slog.Logger `json:"-"`

	// Emit takes the points that plugins emit. Default: Emit is refused.
	Emit func(ctx context.Context, plugin string, points []abi.Point) error `json:"-"`

	// OpenTimeout bounds how long the probe of an image may take, then to open it and make its instance with New, and then
	// Start. Default: 10 s.
	OpenTimeout time.Duration

	// DrainTimeout bounds how long a stateful reload waits for the calls of the old generation while new calls are held
	// back, then how long Stop, Export and Import may take together, and at an instance's end Stop and Close. Plugins that
	// are deployed together share these times. A checkpoint waits for calls a tenth of it. Default: 10 s.
	DrainTimeout time.Duration

	// StateLimit bounds, in bytes, the copy that moving a plugin's state may take, and a checkpoint of it. State that is
	// handed over without a copy has no limit. Default: 1 GiB.
	StateLimit int64

	// CheckpointInterval is the time between two checkpoints of each stateful plugin, for which callers wait while the
	// state is copied, and its background work is stopped. One is taken at Close as well. Default: 1 min; negative: none.
	CheckpointInterval time.Duration

	// Settle is how long an image must be quiet before it is read. Default: 50 ms.
	Settle time.Duration

	// Poll watches by polling alone. Default: only where the file system doesn't tell of changes.
	Poll bool

	// Keep is how many releases stay in the store; older ones go when a new one is published. Default: 100; negative:
	// all.
	Keep int

	// Lock is the store's lock if the program has it already, since it goes from process to process. Default: the host
	// takes the lock itself, and lets go of it at Close.
	Lock *generations.Lock `json:"-"`

	// Fresh asks for a handover to a fresh process, see Give, and returns nil when that is through, or why it failed. The
	// host calls it when an image can't be loaded beside what this process has loaded before, and when the budget is spent.
	// Default: there is no other process, and such an image is refused.
	Fresh func(ctx context.Context, why string) error `json:"-"`

	// Budget bounds what old generations may leave behind in the process before the host asks for a fresh one.
	Budget Budget

	// Probation is how long a release must serve until it is confirmed: the one to fall back to. Default: 1 min.
	Probation time.Duration

	// Crashes tell of processes that served the plugins before and ended against their will. New puts the images into
	// quarantine that did it, and boots what served before them.
	Crashes []crash.Report `json:"crashes,omitempty"`

	// CrashesInARow counts the processes that ended so, one soon after the other. When they don't end New leaves plugins out.
	CrashesInARow int `json:"crashes_in_a_row,omitempty"`

	// CacheBytes bounds the shared cache, and each plugin's own. Default: 16 MiB.
	CacheBytes int64
}

// Plugin names one plugin and where it comes from.
type Plugin struct {
	// Name is the plugin's name in the store, in Status and in Call: letters, digits, '.', '-' and '_'.
	Name string

	// Image is the path of the .so. A relative path is taken from the working directory.
	Image string

	// Mode says when a changed image is loaded. Default: Prod.
	Mode Mode

	// Routes are the URL path prefixes whose requests the plugin gets. A prefix covers itself and everything below it;
	// the longest wins.
	Routes []string

	// Args are the plugin's arguments.
	Args map[string]string
}

// Mode says when a changed image is loaded.
type Mode string

const (
	// Dev loads a changed image at once.
	Dev Mode = "dev"
	// Prod loads a changed image only on Deploy.
	Prod Mode = "prod"
)

// resolve checks the options and fills the defaults in. Its error names everything that is wrong.
func (o Options) resolve() (Options, error) {
	var errs []error
	if o.Store == "" {
		errs = append(errs, errors.New("no store: name a directory for images and releases"))
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Dir != "" {
		dir, err := filepath.Abs(o.Dir)
		errs = append(errs, err)
		o.Dir = dir
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"OpenTimeout", int64(o.OpenTimeout)}, {"DrainTimeout", int64(o.DrainTimeout)}, {"Settle", int64(o.Settle)},
		{"Probation", int64(o.Probation)},
		{"StateLimit", o.StateLimit}, {"CacheBytes", o.CacheBytes},
	} {
		if limit.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative: leave it 0 for the default", limit.name))
		}
	}
	setDefault(&o.OpenTimeout, 10*time.Second)
	setDefault(&o.DrainTimeout, 10*time.Second)
	setDefault(&o.Settle, 50*time.Millisecond)
	setDefault(&o.Keep, 100)
	setDefault(&o.StateLimit, 1<<30)
	setDefault(&o.CheckpointInterval, time.Minute)
	setDefault(&o.CacheBytes, 16<<20)
	setDefault(&o.Probation, time.Minute)
	o.Budget = o.Budget.withDefaults()

	names, routes := map[string]bool{}, map[string]string{}
	plugins := make([]Plugin, 0, len(o.Plugins))
	for _, p := range o.Plugins {
		p, err := p.resolve()
		if err != nil {
			errs = append(errs, err)
		}
		if names[p.Name] {
			errs = append(errs, fmt.Errorf("plugin %s: named twice", p.Name))
		}
		names[p.Name] = true
		for _, r := range p.Routes {
			if other, taken := routes[r]; taken {
				errs = append(errs, fmt.Errorf("plugin %s: route %s is %s's already", p.Name, r, other))
			}
			routes[r] = p.Name
		}
		plugins = append(plugins, p)
	}
	o.Plugins = plugins
	return o, errors.Join(errs...)
}

// gateLimit is how long a caller waits while state moves: as long as the move and its undoing may take, so that no caller
// fails before the move has succeeded or was given up.
func (o Options) gateLimit() time.Duration {
	return 3*o.DrainTimeout + 2*o.OpenTimeout // drain, state, and the end of the new; its start, and another one of the old
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (p Plugin) resolve() (Plugin, error) {
	var errs []error
	if !generations.ValidName(p.Name) {
		errs = append(errs, fmt.Errorf("%w: want letters, digits, '.', '-' and '_', beginning with a letter or digit",
			generations.ErrName))
	}
	if p.Image == "" {
		errs = append(errs, errors.New("no image: name the .so"))
	} else {
		abs, err := filepath.Abs(p.Image)
		errs = append(errs, err)
		p.Image = abs
	}
	switch p.Mode {
	case "":
		p.Mode = Prod
	case Dev, Prod:
	default:
		errs = append(errs, fmt.Errorf("mode %q: want %q or %q", p.Mode, Dev, Prod))
	}
	routes := make([]string, 0, len(p.Routes))
	for _, r := range p.Routes {
		if !strings.HasPrefix(r, "/") {
			errs = append(errs, fmt.Errorf("route %q: want a path that begins with /", r))
		}
		routes = append(routes, path.Clean(r))
	}
	p.Routes = routes
	if err := errors.Join(errs...); err != nil {
		return p, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return p, nil
}

// pluginOfFile is the plugin that a file of Options.Dir stands for.
func pluginOfFile(file string) Plugin {
	name := strings.TrimSuffix(filepath.Base(file), ".so")
	return Plugin{Name: name, Image: file, Mode: Dev, Routes: []string{"/" + name}}
}

// imagesIn lists the *.so files of dir. A directory that doesn't exist has none: it may appear later.
func imagesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var images []string
	for _, e := range entries {
		if isImageName(e.Name()) {
			images = append(images, filepath.Join(dir, e.Name()))
		}
	}
	return images, nil
}

// isImageName says whether a file of that name in Options.Dir is a plugin. Hidden files are builds under way.
func isImageName(name string) bool {
	return strings.HasSuffix(name, ".so") && !strings.HasPrefix(name, ".")
}
