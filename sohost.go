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
type Host struct {
	opts    Options
	log     *slog.Logger
	store   *generations.Store
	watcher *watch.Watcher
	started time.Time

	shared *cache.Cache
	routes atomic.Pointer[routeTable]

	mu      sync.Mutex // guards plugins, closed
	plugins map[string]*plugin
	closed  bool

	pins      pins       // images that a running deploy counts on
	publishMu sync.Mutex // guards release, and orders publications and prunes
	release   generations.Release

	lifetime context.Context // ends when Close begins
	stop     context.CancelFunc
	tasks    sync.WaitGroup // watching and retiring goroutines
}

// New opens the store, boots the plugins from its current release (those that it doesn't name, from their files) and starts
// watching the plugins in Dev mode. A plugin that can't be booted doesn't fail New: its routes answer 503 until an image is
// deployed that can, and Status says why.
//
// New fails, and leaves nothing behind, when the options are wrong or the store can't be opened: generations.ErrLocked says
// that another process has it. ctx bounds the boot.
func New(ctx context.Context, opts Options) (*Host, error) {
	opts, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	store, err := generations.OpenStore(opts.Store, generations.StoreOptions{Log: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opts.Store, err = filepath.EvalSymlinks(store.Dir()); err != nil { // native tells paths that way
		return nil, errors.Join(err, store.Close())
	}
	h := &Host{
		opts:    opts,
		log:     opts.Logger,
		store:   store,
		watcher: watch.New(watch.Options{Settle: opts.Settle, ForcePoll: opts.Poll, Logger: opts.Logger}),
		started: time.Now(),
		shared:  cache.New(opts.CacheBytes),
		plugins: map[string]*plugin{},
	}
	h.lifetime, h.stop = context.WithCancel(context.Background())
	h.routes.Store(&routeTable{})
	if err := h.boot(ctx); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	h.checkpointRegularly()
	return h, nil
}

// Close stops watching, waits for the running deploy, makes new calls fail with generations.ErrEmpty, waits until the calls
// that run have returned, writes a checkpoint of each state, and closes every instance. When ctx ends first it returns ctx's error, with the instances that
// still have calls left open.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	plugins := slices.SortedFunc(maps.Values(h.plugins), byName)
	h.mu.Unlock()

	h.stop()
	h.watcher.Close()
	var errs []error
	for _, p := range plugins {
		if err := p.own(ctx); err != nil { // for good: no deploy can follow
			errs = append(errs, fmt.Errorf("plugin %s: %w", p.name, err))
			continue
		}
		last, err := p.slot.Swap(nil)
		if last != nil {
			err = h.retireLast(ctx, p, last)
		}
		errs = append(errs, err)
	}
	done := make(chan struct{})
	go func() { h.tasks.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("old generations still have calls: %w", ctx.Err()))
	}
	return errors.Join(append(errs, h.store.Close())...)
}

// plugin returns the plugin of that name.
func (h *Host) plugin(name string) (*plugin, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	p, ok := h.plugins[name]
	if !ok {
		return nil, fmt.Errorf("%w %q: the plugins are %v", ErrUnknownPlugin, name, slices.Sorted(maps.Keys(h.plugins)))
	}
	return p, nil
}

// knows says whether the host has a plugin of that name.
func (h *Host) knows(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.plugins[name]
	return ok
}
