package sohost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// Options says what a Host serves and how. The zero value of every field but Store works.
type Options struct {
	// Store is the directory that holds images and releases. It is made if it doesn't exist, and one process at a time has
	// it.
	Store string

	// Plugins are the plugins by name.
	Plugins []Plugin

	// Dir, if set, is a directory in which each *.so file is a plugin in Dev mode, named after the file and routed under
	// /NAME. A file that appears later is a new plugin. A file that disappears changes nothing until the next start.
	Dir string

	// Logger gets one line for each reload and each refusal. Default: slog.Default().
	Logger *slog.Logger `json:"-"`

	// Emit receives the points that plugins emit. Default: their Emit returns an error.
	Emit func(ctx context.Context, plugin string, points []abi.Point) error `json:"-"`

	// OpenTimeout bounds three things, each by itself: the check and probe of an image; opening it and New; and Start. Default: 10 s.
	OpenTimeout time.Duration

	// DrainTimeout bounds how long a stateful reload waits for the calls of the old generation while new calls are held
	// back; then how long Stop, Export and Import may take together; and at an instance's end Stop and Close. Plugins that
	// are deployed together share these times. A checkpoint waits a tenth of it for calls. Default: 10 s.
	DrainTimeout time.Duration

	// StateLimit bounds, in bytes, the copy that moving or checkpointing a plugin's state takes. State that moves without a copy
	// has no limit. Default: 1 GiB.
	StateLimit int64

	// CheckpointInterval is the time between two checkpoints of each stateful plugin. While the state is copied, callers wait
	// and its background work is stopped. Close takes one as well. Default: 1 min; negative: none.
	CheckpointInterval time.Duration

	// Settle is how long an image must be quiet before it is read. Default: 50 ms.
	Settle time.Duration

	// Poll watches by polling alone. Default: only where the file system doesn't report changes.
	Poll bool

	// Keep is how many releases stay in the store; older ones are removed when a new one is published. Default: 100; negative:
	// all.
	Keep int

	// Budget bounds what old generations may leave behind in the process before the host asks for a handover.
	Budget Budget

	// Probation is how long a release must serve until it is confirmed, which makes it the one to fall back to. Default: 1 min.
	Probation time.Duration

	// CacheBytes bounds the shared cache, and each plugin's own. Default: 16 MiB.
	CacheBytes int64

	// Process is for programs that move their plugins from process to process, as `sohost run` does. Default: the host lives and
	// dies with this process.
	Process *Process `json:"-"`
}

// Process connects a host with the processes before and after it. An embedding program without a supervisor of its own needs none of it.
type Process struct {
	// Lock is the store's lock if the program has it already, since it goes from process to process. Default: the host
	// takes the lock itself, and releases it at Close.
	Lock *generations.Lock

	// Handover moves the plugins to a new process, see Host.Give, and returns nil when that is done, or why it could not be. The
	// host calls it, from any goroutine and perhaps from several, when an image can't be loaded beside what this process has loaded
	// before, and when the budget is spent. It blocks as long as the handover takes; ctx ends when nobody waits for it any more.
	// Default: there is no other process, and such an image is refused.
	Handover func(ctx context.Context, why string) error

	// Crashes lists earlier processes that crashed while they served the plugins. New quarantines the images responsible and
	// boots their fallbacks. A process that New has been told of before counts once.
	Crashes []Crash

	// CrashesInARow is how many processes have crashed one soon after the other. From the third on New may leave plugins out.
	CrashesInARow int
}

// Crash describes the end of a process.
type Crash struct {
	Ended  time.Time
	Exit   string // in the words of os.ProcessState, such as "exit status 3" and "signal: killed"
	Why    string // if somebody ended the process: why
	Output string // what the Go runtime wrote to the file of debug.SetCrashOutput
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

// DefaultOptions returns the defaults of all fields that have one and are not functions.
func DefaultOptions() Options { return Options{}.withDefaults() }

func (o Options) withDefaults() Options {
	setDefault(&o.OpenTimeout, 10*time.Second)
	setDefault(&o.DrainTimeout, 10*time.Second)
	setDefault(&o.Settle, 50*time.Millisecond)
	setDefault(&o.Keep, 100)
	setDefault(&o.StateLimit, 1<<30)
	setDefault(&o.CheckpointInterval, time.Minute)
	setDefault(&o.CacheBytes, 16<<20)
	setDefault(&o.Probation, time.Minute)
	o.Budget = o.Budget.withDefaults()
	return o
}

// resolve checks the options and fills in the defaults. Its error names everything that is wrong.
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
	o = o.withDefaults()
	if o.Process == nil {
		o.Process = &Process{}
	}

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
// fails before the move has succeeded or was given up. The longest is a handover that fails at its last step: drain, state, and the
// taker's acceptance with its Start; then the end of the taker, and Start of the old instances.
func (o Options) gateLimit() time.Duration {
	const margin = time.Second // for what else is on the way
	return o.DrainTimeout + o.DrainTimeout + o.acceptTimeout() + 2*undoTimeout + o.OpenTimeout + margin
}

// acceptTimeout is how long a taker may take from the last state until all instances have started.
func (o Options) acceptTimeout() time.Duration { return o.DrainTimeout + o.OpenTimeout }

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
