// Package sohost hot-reloads Go plugins (images built with -buildmode=plugin) in a running server. It replaces their
// native code while calls go on, without losing a call or their state.
//
// Two limits come first. The Go runtime never unloads code, so every generation that was opened stays mapped until the
// process ends. And an image whose shared packages differ from the server's can't be opened in that server at all.
// Within these limits, sohost guarantees that a call runs entirely in one generation, that a generation is closed only
// after its last call has returned, and that a failure before the flip leaves the current generation serving, state
// included.
//
// An image is the bytes of one .so, and its ID is their SHA-256. A generation is an image as a plugin serves it. The
// flip is the moment when a new generation takes over. A release is a numbered, immutable record of which image each
// plugin has; New boots the current one.
//
// A Host is an http.Handler that serves its plugins' routes. Call and Lookup lend plugin instances to the embedding program:
//
//	host, err := sohost.New(ctx, sohost.Options{Store: "store", Plugins: []sohost.Plugin{{
//		Name: "counter", Image: "build/plugins/counter.so", Mode: sohost.Dev, Routes: []string{"/counter"},
//	}}})
//	…
//	defer host.Close(ctx)
//	http.ListenAndServe("127.0.0.1:8181", host)
//
// Build the embedding program with `go build -trimpath` and its plugins with `sohost build --host PROGRAM`. To call plugins by
// interfaces of the program's own see Options.Contracts, Options.Require and the function Call.
//
// New, Deploy, Rollback, Status and Close are all that most programs need. Some of the API is for supervisors only,
// that is, for programs that move their plugins from process to process as `sohost run` does: Take, Give,
// Options.Process, and the types Process, Crash, GiveOptions, Handover and HandoverPhases.
package sohost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/ledger"
	"github.com/sohost/sohost/internal/routes"
	"github.com/sohost/sohost/internal/suggest"
	"github.com/sohost/sohost/internal/triggers"
	"github.com/sohost/sohost/internal/watch"
)

// Host loads plugins from images, replaces them and serves their routes. Its methods may be called from any goroutine.
//
// A process may have several Hosts, each with its own store. They share the process's set of opened images, so an image
// that one Host has opened from its store can't be opened from another's, and is refused there.
//
// Host is the server's side. The host that a plugin is given is an abi.Host.
type Host struct {
	opts    Options
	log     *slog.Logger
	started time.Time

	store       *generations.Store
	ledger      *ledger.Ledger
	judge       *blame.Judge
	trials      *blame.Trials
	checkpoints *checkpoint.Dir
	loader      instance.Loader
	watcher     *watch.Watcher
	sharedCache *cache.Cache
	calls       *inflight.Table // nil if Process.Calls is
	waiting     requests        // at the plugins' gates

	labelling atomic.Int32 // how many want calls to have labels; see LabelCalls

	table   atomic.Pointer[routeTable]
	readied readied
	boots   *boots // set before the host is used; nil if it is a taker

	triggers *triggers.Engine
	chains   chains // as openHost has made them

	comparisons comparisons // of the process's settings, those that run
	turnstile   turnstile   // what owns plugins passes it first

	reloads atomic.Int64 // that run

	rounds  *rounds      // of images that change
	ignored ignoredFiles // in Options.Dir

	adding    sync.Mutex     // held while a plugin is added or forgotten, and for a whole handover; lock order: see plugin
	pending   pendingList    // reloads that need a handover
	retired   wake           // a generation has retired, or something else may make a handover possible
	forgiven  wake           // a quarantine was lifted
	dueSooner wake           // a checkpoint is due sooner than it was
	tasks     sync.WaitGroup // the goroutines of the host

	due       atomic.Pointer[HandoverDue] // a handover that is due and could not be made; nil if there is none
	tainted   atomic.Pointer[string]      // why the process isn't what it was: see candidate.restoreSettings
	successor atomic.Pointer[successor]   // set once another process has the plugins, right before lifetime ends for that

	lifetime context.Context // ends when Close begins or at a handover's commit; calls then fail with its cause
	stop     context.CancelCauseFunc
	closing  sync.Once
}

// New opens the store, boots the plugins and starts watching those in Dev mode. A plugin that the current release names
// boots the image that it names, any other boots its configured file. A plugin that can't be booted doesn't fail New:
// its routes answer 503 until an image is deployed that works, and Status says why. New blocks until every plugin has
// booted or failed; the time that each plugin's code gets is bounded, see Options.
//
// New fails if the options are invalid, if ctx ends before every plugin has booted, or if the store or Options.Dir
// can't be used. The error matches generations.ErrLocked if another process has the store. After an error nothing
// serves and the store is closed, but images that were opened stay mapped.
func New(ctx context.Context, opts Options) (*Host, error) {
	return newHost(ctx, opts, nil)
}

// newHost is New with a loader that replaces the usual one unless it is nil.
func newHost(ctx context.Context, opts Options, loader *instance.Loader) (*Host, error) {
	h, err := startHost(ctx, opts, loader)
	if err != nil {
		return nil, err
	}
	if err := h.Booted(context.WithoutCancel(ctx)); err != nil { // which ctx ends
		return nil, errors.Join(err, h.Close(ctx))
	}
	return h, nil
}

// startHost is Start with a loader that replaces the usual one unless it is nil.
func startHost(ctx context.Context, opts Options, loader *instance.Loader) (*Host, error) {
	h, err := openHost(opts, loader, false)
	if err != nil {
		return nil, err
	}
	if err := h.boot(ctx); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	h.triggers.Start()
	return h, nil
}

// routeTable has the plugins by name and by route.
type routeTable = routes.Table[*plugin, routeNote]

// routeNote says what a route belongs to if it isn't one of Plugin.Routes.
type routeNote struct {
	trigger *triggers.Route
	chain   *link // the first

	disabled bool // it is one of Options.Disabled
}

// openHost returns a host that has its store but no plugins yet. The store is shared with another process or not.
func openHost(opts Options, loader *instance.Loader, shared bool) (*Host, error) {
	opts, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	if loader == nil {
		usual := instance.NewLoader(opts.Logger)
		loader = &usual
	}
	store, err := generations.OpenStore(opts.Store, generations.StoreOptions{
		Log: opts.Logger, Lock: opts.Process.Lock, Shared: shared, Accept: loader.Head, Observe: opts.Events,
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opts.Store, err = filepath.EvalSymlinks(store.Dir()); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	h := &Host{
		opts:        opts,
		log:         opts.Logger,
		started:     time.Now(),
		store:       store,
		judge:       &blame.Judge{Store: store, Logger: opts.Logger},
		trials:      &blame.Trials{Folder: store.Folder("trials"), Logger: opts.Logger},
		checkpoints: checkpoint.New(store.Folder("state"), opts.Logger),
		loader:      *loader,
		watcher:     watch.New(watch.Options{Settle: opts.Settle, ForcePoll: opts.Poll, Logger: opts.Logger}),
		sharedCache: cache.New(opts.CacheBytes),
		retired:     newWake(),
		dueSooner:   newWake(),
		forgiven:    newWake(),
	}
	if h.calls, err = inflight.NewTable(opts.Process.Calls); err != nil { // not worth a refusal to serve
		h.log.Warn("after a crash it won't be known which images were in calls", "err", err)
	}
	h.lifetime, h.stop = context.WithCancelCause(context.Background())
	context.AfterFunc(h.lifetime, h.loader.Close) // also after a handover, when calls may go on here for long
	h.table.Store(new(routeTable))
	h.ledger, err = ledger.Open(store, ledger.Options{Keep: opts.Keep, Mapped: h.loader.Mapped, Logger: opts.Logger})
	if err != nil {
		h.watcher.Close()
		return nil, errors.Join(err, store.Close())
	}
	h.rounds = newRounds(h)
	h.openTriggers(shared)
	h.chains = newChains(opts.Chains, h.log)
	h.refuseDisabled()
	return h, nil
}

// begin starts the host's background work, once its plugins serve, except for the checkpoints.
func (h *Host) begin() error {
	for _, p := range h.plugins() {
		if p.Mode == Dev {
			p.watch()
		}
	}
	h.confirmLater()
	h.retryLater()
	h.watchBudget()
	return h.watchDir()
}

// Serving returns nil as long as the host serves its plugins. It returns ErrHandedOver once another process does, and
// otherwise ErrClosed once Close was called.
func (h *Host) Serving() error {
	if h.successor.Load() != nil { // even if Close began before that
		return ErrHandedOver
	}
	if h.lifetime.Err() != nil {
		return context.Cause(h.lifetime)
	}
	return nil
}

// plugins returns all plugins, ordered by name.
func (h *Host) plugins() []*plugin { return h.table.Load().All() }

// plugin returns the plugin of that name, or an error once the host no longer serves.
func (h *Host) plugin(name string) (*plugin, error) {
	if err := h.Serving(); err != nil {
		return nil, err
	}
	p, ok := h.table.Load().Named(name)
	if !ok {
		return nil, h.noPlugin(name)
	}
	return p, nil
}

// noPlugin returns the error for a name that is no plugin's.
func (h *Host) noPlugin(name string) error {
	names := h.table.Load().Names()
	if h.opts.isDisabled(name) {
		return fmt.Errorf("%w: %s", ErrDisabled, name)
	}
	if meant := suggest.Closest(name, names); meant != "" {
		return fmt.Errorf("%w %q; did you mean %s?", ErrUnknownPlugin, name, meant)
	}
	return fmt.Errorf("%w %q: the plugins are %v", ErrUnknownPlugin, name, names)
}
