// Package sohost hot-reloads Go plugins (images built with -buildmode=plugin) in a running server. It replaces their native code
// while calls go on, without losing a call or their state.
//
// What it can't do comes first. The Go runtime never unloads code, so every generation that was opened stays mapped until the
// process ends; and an image whose shared packages differ from the server's can't be opened in it at all. What sohost guarantees
// is this: a call runs entirely in one generation; a generation is closed only after its last call has returned; and a failure before
// the flip leaves the current generation serving, state included.
//
// A Host serves the requests of its plugins' routes as an http.Handler, and lends instances to the embedding program
// through Call:
//
//	host, err := sohost.New(ctx, sohost.Options{Store: "store", Plugins: []sohost.Plugin{{
//		Name: "counter", Image: "build/plugins/counter.so", Mode: sohost.Dev, Routes: []string{"/counter"},
//	}}})
//	…
//	defer host.Close(ctx)
//	http.ListenAndServe("127.0.0.1:8181", host)
//
// Build the embedding program with `go build -trimpath` and its plugins with `sohost build --host PROGRAM`.
//
// New, Deploy, Rollback, Status and Close are all that most programs need. Take, Give and Options.Process are for programs that
// move their plugins from process to process, as `sohost run` does.
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
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/ledger"
	"github.com/sohost/sohost/internal/routes"
	"github.com/sohost/sohost/internal/watch"
)

// Host loads plugins from images, replaces them and serves their routes. Its methods may be called from any goroutine.
//
// A process may have several Hosts, each with a store of its own. They share what the runtime has one of in a process: an image
// that one of them has opened can't be opened from the store of another, and is refused there.
//
// Host is the server's side. What a plugin is given to talk to its host is an abi.Host.
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

	table     atomic.Pointer[routes.Table[*plugin]]
	rehearsed map[generations.ID]bool // images that were probed together; written by the boot alone

	adding  sync.Mutex     // held while a plugin is added, and for all of a handover; taken before any owner token
	pending pendingList    // reloads that wait for a handover
	retired wake           // a generation has retired
	tasks   sync.WaitGroup // the goroutines of the host

	// successor is set once another process has the plugins, right before lifetime ends for that.
	successor atomic.Pointer[successor]

	lifetime context.Context // ends when Close begins, or a handover is through; its cause is what calls get from then on
	stop     context.CancelCauseFunc
	closing  sync.Once
}

// New opens the store, boots the plugins from its current release (those that it doesn't name, from their files) and starts
// watching the plugins in Dev mode. A plugin that can't be booted doesn't fail New: its routes answer 503 until an image is
// deployed that can, and Status says why.
//
// New fails, and leaves nothing behind, when the options are wrong, when ctx ends before everything is booted, or when the store
// can't be opened; generations.ErrLocked means that another process has it.
func New(ctx context.Context, opts Options) (*Host, error) {
	return newHost(ctx, opts, nil)
}

// newHost is New with another loader than the usual one, if that isn't nil.
func newHost(ctx context.Context, opts Options, loader *instance.Loader) (*Host, error) {
	h, err := openHost(opts, loader)
	if err != nil {
		return nil, err
	}
	if err := h.boot(ctx); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	if err := h.begin(); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return h, nil
}

// openHost makes a host that has its store and no plugins.
func openHost(opts Options, loader *instance.Loader) (*Host, error) {
	opts, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	store, err := generations.OpenStore(opts.Store, generations.StoreOptions{Log: opts.Logger, Lock: opts.Process.Lock})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opts.Store, err = filepath.EvalSymlinks(store.Dir()); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if loader == nil {
		usual := instance.NewLoader(opts.Logger)
		loader = &usual
	}
	h := &Host{
		opts:        opts,
		log:         opts.Logger,
		started:     time.Now(),
		store:       store,
		judge:       &blame.Judge{Store: store, Logger: opts.Logger},
		trials:      &blame.Trials{Dir: filepath.Join(opts.Store, "trials"), Logger: opts.Logger},
		checkpoints: checkpoint.New(filepath.Join(opts.Store, "state"), opts.Logger),
		loader:      *loader,
		watcher:     watch.New(watch.Options{Settle: opts.Settle, ForcePoll: opts.Poll, Logger: opts.Logger}),
		sharedCache: cache.New(opts.CacheBytes),
		retired:     newWake(),
	}
	h.lifetime, h.stop = context.WithCancelCause(context.Background())
	h.table.Store(new(routes.Table[*plugin]))
	h.ledger, err = ledger.Open(store, ledger.Options{Keep: opts.Keep, Opened: h.loader.Opened, Logger: opts.Logger})
	if err != nil {
		h.watcher.Close()
		return nil, errors.Join(err, store.Close())
	}
	return h, nil
}

// begin starts what a host does on its own, once its plugins serve.
func (h *Host) begin() error {
	for _, p := range h.plugins() {
		if p.Mode == Dev {
			p.watch()
		}
	}
	h.checkpointRegularly()
	h.confirmLater()
	h.watchBudget()
	return h.watchDir()
}

// Close stops watching, makes new deploys and calls fail with ErrClosed, waits for the deploys and calls that run, writes a
// checkpoint of each state, and closes every instance. ServeHTTP answers 503 from then on.
//
// When ctx ends first Close waits no longer, and returns ctx's error: the instances that still have calls stay open, with
// their state as of the last checkpoint. All others get their checkpoint and are closed all the same. A second Close waits
// for the first and returns nil.
func (h *Host) Close(ctx context.Context) (err error) {
	h.closing.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Host) close(ctx context.Context) error {
	h.stop(ErrClosed)
	h.watcher.Close()
	plugins := h.plugins()
	errs := make([]error, len(plugins))
	var ends sync.WaitGroup
	busy := false
	for i, p := range plugins {
		if err := p.own(ctx); err != nil { // permanently: no deploy can follow
			errs[i], busy = fmt.Errorf("plugin %s: %w", p.Name, err), true
			continue
		}
		// Each by itself, so that a call that doesn't return holds up no other plugin's end.
		ends.Go(func() { errs[i] = p.closeOwned(ctx) })
	}
	ends.Wait()
	if !busy { // a deploy that runs may add tasks
		errs = append(errs, h.awaitTasks(ctx))
	}
	return errors.Join(append(errs, h.store.Close())...)
}

// closeOwned ends what the plugin serves.
func (p *plugin) closeOwned(ctx context.Context) error {
	last, err := p.slot.Swap(nil)
	if last == nil || err != nil {
		return err
	}
	if err := last.Drain(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w; its state is that of the last checkpoint", p.Name, err)
	}
	ctx = context.WithoutCancel(ctx) // what the plugin's code may take is bounded by the options
	in := last.Value().Instance
	if err = p.checkpointLast(ctx, in); err != nil {
		err = fmt.Errorf("plugin %s: checkpoint: %w; the one before stays", p.Name, err)
	}
	err = errors.Join(err, p.host.end(ctx, in))
	p.host.cool(last.Value())
	return err
}

// taskGrace is how long Close waits for the host's goroutines when ctx had ended before there was anything to wait for.
const taskGrace = 100 * time.Millisecond

// awaitTasks waits for the goroutines of the host.
func (h *Host) awaitTasks(ctx context.Context) error {
	done := make(chan struct{})
	go func() { h.tasks.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	case <-time.After(taskGrace):
		return fmt.Errorf("old generations still have calls: %w", context.Cause(ctx))
	}
}

// Serving returns nil as long as the host serves its plugins, ErrHandedOver once another process does, and ErrClosed once
// Close was called.
func (h *Host) Serving() error {
	if h.successor.Load() != nil { // even if Close began before that
		return ErrHandedOver
	}
	if h.lifetime.Err() != nil {
		return context.Cause(h.lifetime)
	}
	return nil
}

// plugins returns all plugins in the order of their names.
func (h *Host) plugins() []*plugin { return h.table.Load().All() }

// plugin returns the plugin of that name.
func (h *Host) plugin(name string) (*plugin, error) {
	if err := h.Serving(); err != nil {
		return nil, err
	}
	p, ok := h.table.Load().Named(name)
	if !ok {
		return nil, fmt.Errorf("%w %q: the plugins are %v", ErrUnknownPlugin, name, h.table.Load().Names())
	}
	return p, nil
}
