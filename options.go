package sohost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// Options configures a Host. Only Store is required: the zero value of every other field means its default. Negative
// values are errors except where a field gives them a meaning.
type Options struct {
	// Store is the directory that holds images and releases. It is created if it doesn't exist. Only one process at a
	// time may have it open for writing.
	Store string

	// Plugins lists the plugins. Their names must be unique, and so must their routes. Default: none.
	Plugins []Plugin

	// Chains lists routes that several plugins serve, one after the other. Default: none.
	Chains []Chain

	// Disabled lists plugins that are not to run, by other names than those of Plugins and with other routes. A file in Dir with such a
	// name is not loaded. Default: none.
	Disabled []Disabled

	// Dir is a directory in which each *.so file is a plugin in Dev mode, named after the file and routed under /NAME.
	// Hidden files are ignored, and so are files whose name or route a configured plugin has. A file that appears later
	// is a new plugin. Removing a file has no effect until the next start, unless it never served. With Process.Handover it has none
	// until Configuration.Forget names the plugin: a worker that dies must not take others away. Default: no directory.
	Dir string

	// Logger receives one line for each reload and each refusal, besides warnings. Default: slog.Default().
	Logger *slog.Logger `json:"-"`

	// Events is told of what happens, in order: of each event of the history, and of those that are too many for it, see
	// generations.Kinds. It is called in the middle of a reload, for which callers may wait, and with locks held: it must return at once
	// and must not call the Host. Default: nobody is told.
	Events func(generations.Event) `json:"-"`

	// Emit receives the rows that plugins emit through abi.Host, which says what it promises. It may be called from any goroutine, and
	// must not keep the tables. Default: a plugin's Emit returns an error.
	Emit func(ctx context.Context, plugin string, tables []abi.Table) error `json:"-"`

	// Feeds returns the tables that become writes when a plugin emits rows of them, because Emit puts these into Backlog or has Deliver
	// take them. With it, triggers by which rows would go round for ever are refused. Default: none become writes.
	Feeds func(plugin string) []string `json:"-"`

	// Query answers the queries that plugins make through abi.Host. It may be called from any goroutine. Default: a plugin's Query
	// returns an error.
	Query func(ctx context.Context, plugin string, q abi.Query) ([]abi.Table, error) `json:"-"`

	// Backlog has the writes that were acknowledged before plugins have handled them. The host closes it. Triggers of writes read it, and
	// a checkpoint has up to where they have come. Default: only what Deliver takes is handled.
	Backlog Backlog `json:"-"`

	// Contracts names the packages that the program shares with its plugins, besides package abi and the standard library, by
	// their import paths. They and what they import are the program's in every plugin, so that their types, errors and variables
	// are the same on both sides. It must be a variable that is declared at package level as
	//
	//	var SohostContracts = []string{"example.com/app/contract"}
	//
	// because `sohost build --host` reads it from the program's file. New fails if it can't be read from there, or if
	// the program doesn't contain one of the packages. Default: none.
	Contracts []string

	// Require returns the interface that the instances of a plugin must implement, most often one of a contract; another plugin
	// is refused before it serves. Implements makes one for all plugins. Default, and for a plugin for which it returns nil:
	// an instance must be one of the handlers that package abi names.
	Require func(plugin string) reflect.Type `json:"-"`

	// Services returns what a plugin gets from abi.Host.Services. It may be called from any goroutine, first by the plugin's New.
	// An image that is opened in a child process first has no services there, and needs none: New isn't called there.
	// Default: nothing.
	Services func(plugin string) any `json:"-"`

	// OpenTimeout is the time limit for each of three steps: probing an image, not counting time in which the probe waits
	// for a CPU, up to six times the limit in all; opening it and calling New; and Start, for all plugins of a deploy
	// together. Default: 10 s.
	OpenTimeout time.Duration

	// DrainTimeout is the time limit for each of three steps. A stateful reload waits that long for the old
	// generation's calls to return, while new calls wait. Then Stop, Export and Import may take that long together. At
	// the end of an instance's life, Stop and Close may. Plugins that are deployed together share the first two.
	// Default: 10 s.
	DrainTimeout time.Duration

	// StateLimit is the maximum size, in bytes, of the copy that is made when a plugin's state is moved or
	// checkpointed. State that moves without being copied has no limit. Default: 1 GiB.
	StateLimit int64

	// CheckpointInterval is the time between two checkpoints of each stateful plugin. The first is taken a twelfth of it
	// after a boot and after a reload. Callers wait while the state is copied, and the plugin's background work is
	// stopped, unless it declares ConcurrentExport. Close takes a checkpoint as well. Default: 1 min. Negative: no
	// checkpoints are taken, and none are restored.
	CheckpointInterval time.Duration

	// CheckpointPause is how long a checkpoint may hold callers back, for the calls that run and for the copy. A
	// checkpoint that needs longer is given up and tried again later, ever more rarely. What the plugin's own Stop,
	// Export and Start take is added. The checkpoint that Close takes has no such limit. Default: 50 ms.
	CheckpointPause time.Duration

	// BootWait is how long after the beginning of a boot callers of a plugin that isn't up wait for it, instead of getting 503
	// or generations.ErrEmpty. It covers a usual restart, which then fails no request; and callers of a slow plugin don't pile
	// up. Default: 10 s.
	BootWait time.Duration

	// Settle is how long a plugin's file must be quiet before a change to it is loaded, in Dev mode; 1 s if that is
	// longer and the file is polled. A file that keeps changing is looked at after 2 s all the same. Default: 50 ms.
	Settle time.Duration

	// Poll makes the host watch files by polling alone. Default: it polls only where the file system doesn't report
	// changes.
	Poll bool

	// AnyOwner lets an image be loaded in Prod mode even if others than root and the user of this process may change its file, or put
	// another in its place. Default: it is refused. In Dev mode there is a warning.
	AnyOwner bool

	// OutsideLinks lets a symbolic link in Dir lead to a file outside of Dir. Default: such a file is ignored.
	OutsideLinks bool

	// Keep is how many releases stay in the store. When a new one is published, older ones are removed, except for the
	// last confirmed one. Default: 100. Negative: all stay.
	Keep int

	// Budget limits what old generations may leave behind in the process before the host asks for a handover. It has no
	// effect without Process.Handover.
	Budget Budget

	// Probation is how long a release must serve until it is confirmed. After a crash, plugins fall back to the
	// confirmed release. Default: 1 min.
	Probation time.Duration

	// CacheBytes is the maximum size of the shared cache, and of each plugin's own cache, in bytes. Default: 16 MiB.
	CacheBytes int64

	// Process is for supervisors only. Default: the host lives and dies with this process.
	Process *Process `json:"-"`
}

// DefaultOptions returns Options with the defaults of all numeric fields filled in. Functions, Logger and Process are nil.
func DefaultOptions() Options { return Options{}.withDefaults() }

func (o Options) withDefaults() Options {
	setDefault(&o.OpenTimeout, 10*time.Second)
	setDefault(&o.DrainTimeout, 10*time.Second)
	setDefault(&o.BootWait, 10*time.Second)
	setDefault(&o.Settle, 50*time.Millisecond)
	setDefault(&o.Keep, 100)
	setDefault(&o.StateLimit, 1<<30)
	setDefault(&o.CheckpointInterval, time.Minute)
	setDefault(&o.CheckpointPause, 50*time.Millisecond)
	setDefault(&o.CacheBytes, 16<<20)
	setDefault(&o.Probation, time.Minute)
	o.Budget = o.Budget.withDefaults()
	return o
}

// resolve checks the options and fills in the defaults. Its error lists everything that is wrong.
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
		{"OpenTimeout", int64(o.OpenTimeout)}, {"DrainTimeout", int64(o.DrainTimeout)}, {"BootWait", int64(o.BootWait)},
		{"Settle", int64(o.Settle)}, {"Probation", int64(o.Probation)}, {"CheckpointPause", int64(o.CheckpointPause)},
		{"StateLimit", o.StateLimit}, {"CacheBytes", o.CacheBytes},
	} {
		if limit.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative: leave it 0 for the default", limit.name))
		}
	}
	o = o.withDefaults()
	if o.Events == nil {
		o.Events = func(generations.Event) {}
	}
	if o.Process == nil {
		o.Process = &Process{}
	}
	errs = append(errs, o.checkContracts())

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
		errs = append(errs, o.checkRequire(p.Name))
		for _, r := range p.Routes {
			if other, taken := routes[r]; taken {
				errs = append(errs, fmt.Errorf("plugin %s: route %s is %s's already", p.Name, r, other))
			}
			routes[r] = p.Name
		}
		for _, r := range requestPaths(p.Triggers) {
			if other, taken := routes[r]; taken && other != p.Name {
				errs = append(errs, fmt.Errorf("plugin %s: the path of a trigger, %s, is %s's already", p.Name, r, other))
			}
			routes[r] = p.Name
		}
		plugins = append(plugins, p)
	}
	o.Plugins = plugins
	chains, err := resolveChains(o.Chains, plugins, routes)
	o.Chains, errs = chains, append(errs, err, o.checkLoops())
	if o.Disabled, err = resolveDisabled(o.Disabled, names, routes); err != nil {
		errs = append(errs, err)
	}
	return o, errors.Join(errs...)
}

// gateLimit returns how long a caller waits while state moves: as long as a move and its undoing can take, so that no
// caller fails before the move has succeeded or been undone. The longest is a handover that fails at its last step. In
// order: drain, state, the taker's acceptance with its Start, the end of the taker (once before it is killed and once
// after), and Start of the old instances.
func (o Options) gateLimit() time.Duration {
	const margin = time.Second // for everything in between
	return o.DrainTimeout + o.DrainTimeout + o.acceptTimeout() + 2*undoTimeout + o.OpenTimeout + margin
}

// acceptTimeout returns how long a taker may take from the last state it receives until all its instances have started.
func (o Options) acceptTimeout() time.Duration { return o.DrainTimeout + o.OpenTimeout }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
