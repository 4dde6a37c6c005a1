// Package sohost changes native code in a running server: it loads Go plugins (images built with -buildmode=plugin) and
// replaces them while calls go on, without losing a call or their state.
//
// What it can't do comes first. The Go runtime never unloads code, so each generation that was ever opened stays mapped
// until the process ends, and an image whose shared packages differ from the server's can't be opened in it at all. What
// sohost guarantees instead: a call runs wholly in one generation; a generation is closed only after its last call has
// returned; and whatever fails before the flip leaves the generation that served serving, with its state.
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
// The embedding program is built with `go build -trimpath`, its plugins with `sohost build --host PROGRAM`.
package sohost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/watch"
)

// Host loads plugins from images, replaces them and serves their routes. Its methods may be called from any goroutine.
//
// A process may have several Hosts, each with its store. They share what the runtime has one of in a process: an image that
// one of them has opened can't be opened from the store of another, and is refused there.
type Host struct {
	opts    Options
	log     *slog.Logger
	store   *generations.Store
	watcher *watch.Watcher
	started time.Time

	shared *cache.Cache
	index  atomic.Pointer[index]

	adding sync.Mutex // held while a plugin is made known, and for the whole of a handover

	forward atomic.Pointer[http.Handler] // set once another process has the plugins; calls with no generation go there
	fresh   fresh                        // reloads that wait for a fresh process
	asking  asking                       // for a fresh process, since the budget is spent

	pins      pins       // images that a running deploy counts on
	published signal     // raised with each release
	publishMu sync.Mutex // guards entries and every store to release, and orders publications and prunes
	release   atomic.Pointer[generations.Release]
	rehearsed map[generations.ID]bool      // images of the release that were opened together in another process; set by the boot
	entries   map[string]generations.Entry // what the next release says: release's, and what could not be published yet

	lifetime context.Context // ends when Close begins, or a handover is through; its cause is what calls get from then on
	stop     context.CancelCauseFunc
	closing  sync.Once
	tasks    sync.WaitGroup // watching, retiring and checkpointing goroutines
}

// New opens the store, boots the plugins from its current release (those that it doesn't name, from their files) and starts
// watching the plugins in Dev mode. A plugin that can't be booted doesn't fail New: its routes answer 503 until an image is
// deployed that can, and Status says why.
//
// New fails, and leaves nothing behind, when the options are wrong, when ctx ends before all is booted, or when the store
// can't be opened: generations.ErrLocked says that another process has it.
func New(ctx context.Context, opts Options) (*Host, error) {
	h, err := openHost(opts)
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
func openHost(opts Options) (*Host, error) {
	opts, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	store, err := generations.OpenStore(opts.Store, generations.StoreOptions{Log: opts.Logger, Lock: opts.Lock})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opts.Store, err = filepath.EvalSymlinks(store.Dir()); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	h := &Host{
		opts:      opts,
		log:       opts.Logger,
		store:     store,
		watcher:   watch.New(watch.Options{Settle: opts.Settle, ForcePoll: opts.Poll, Logger: opts.Logger}),
		started:   time.Now(),
		shared:    cache.New(opts.CacheBytes),
		published: make(signal, 1),
	}
	h.lifetime, h.stop = context.WithCancelCause(context.Background())
	h.index.Store(&index{names: map[string]*plugin{}, prefixes: map[string]*plugin{}})
	return h, nil
}

// begin starts what a host does by itself, once its plugins serve.
func (h *Host) begin() error {
	for _, p := range h.index.Load().sorted() {
		if p.Mode == Dev {
			h.watchPlugin(p)
		}
	}
	h.checkpointRegularly()
	h.confirmLater()
	return h.watchDir()
}

// Close stops watching, makes new deploys fail with ErrClosed and waits for those that run, makes new calls fail with
// generations.ErrEmpty and waits until those that run have returned, writes a checkpoint of each state, and closes every
// instance.
//
// When ctx ends first Close waits no longer, and returns ctx's error: the instances that still have calls stay open, with
// their state as of the last checkpoint. All others get their checkpoint and are closed nevertheless. A second Close waits
// for the first and returns nil.
func (h *Host) Close(ctx context.Context) (err error) {
	h.closing.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Host) close(ctx context.Context) error {
	h.stop(ErrClosed)
	h.watcher.Close()
	plugins := h.index.Load().sorted()
	errs := make([]error, len(plugins))
	var ends sync.WaitGroup
	busy := false
	for i, p := range plugins {
		if err := p.own(ctx); err != nil { // for good: no deploy can follow
			errs[i], busy = fmt.Errorf("plugin %s: %w", p.name, err), true
			continue
		}
		// Each by itself, so that a call that doesn't return holds up no other plugin's end.
		ends.Go(func() { errs[i] = h.closeOwned(ctx, p) })
	}
	ends.Wait()
	if !busy { // a deploy that runs may add tasks
		errs = append(errs, h.awaitTasks(ctx))
	}
	return errors.Join(append(errs, h.store.Close())...)
}

// closeOwned ends what a plugin serves.
func (h *Host) closeOwned(ctx context.Context, p *plugin) error {
	last, err := p.slot.Swap(nil)
	if last == nil || err != nil {
		return err
	}
	if err := last.Drain(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w; its state is that of the last checkpoint", p.name, err)
	}
	ctx = context.WithoutCancel(ctx) // what the plugin's code may take is bounded by the options
	err = h.checkpointLast(ctx, p, last.Value())
	if err != nil {
		err = fmt.Errorf("plugin %s: checkpoint: %w; the one before stays", p.name, err)
	}
	err = errors.Join(err, h.end(ctx, last.Value()))
	h.cool(last.Value())
	return err
}

// awaitTasks waits for the goroutines of the host.
func (h *Host) awaitTasks(ctx context.Context) error {
	done := make(chan struct{})
	go func() { h.tasks.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select { // when ctx had ended before there was anything to wait for
	case <-done:
		return nil
	case <-time.After(grace):
		return fmt.Errorf("old generations still have calls: %w", context.Cause(ctx))
	}
}

// plugin returns the plugin of that name.
func (h *Host) plugin(name string) (*plugin, error) {
	if h.lifetime.Err() != nil {
		return nil, context.Cause(h.lifetime)
	}
	x := h.index.Load()
	p, ok := x.names[name]
	if !ok {
		return nil, fmt.Errorf("%w %q: the plugins are %v", ErrUnknownPlugin, name, slices.Sorted(maps.Keys(x.names)))
	}
	return p, nil
}
