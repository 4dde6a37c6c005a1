// Package ledger knows what is current on disk: the release that a restart boots, what the next one will say, and which
// images must stay in the store although no release names them.
//
// One lock orders everything that changes this: publications, confirmations and prunes. Storing an image does not take
// it, so no publication waits for a copy.
package ledger

import (
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
)

// Ledger is the ledger of one store. Its methods may be called from any goroutine. Those that take the lock block while
// a publication, confirmation or prune runs; Current, Add, Pin, Unpin and Note don't.
type Ledger struct {
	store *generations.Store
	opts  Options

	current atomic.Pointer[generations.Release]
	changed chan struct{} // holds one message, see Published
	pins    pins

	// mu guards entries and every store to current. It is held for all of a publication, confirmation or prune, and
	// during Exclusively. It is taken after any owner token; the store's lock and then pins.mu are taken below it.
	mu      sync.Mutex
	entries map[string]generations.Entry // what the next release says: current's entries, and what could not be published yet
}

// Options configures a Ledger.
type Options struct {
	// Keep is how many releases stay when a new one is published. Zero or negative: all.
	Keep int

	// Mapped returns the paths of images that must stay because this process has mapped them or may be doing so. Removing one would free
	// nothing, as its blocks stay on disk while it is mapped. And if the same bytes came back as another file, this
	// process could never open that. Default: none.
	Mapped func() []string

	Logger *slog.Logger
}

// Open returns the ledger of a store. If the current release is broken, the newest one that isn't becomes current; if
// there is none, the zero Release does. The next publication repairs what is broken.
func Open(store *generations.Store, o Options) (*Ledger, error) {
	l := &Ledger{store: store, opts: o, changed: make(chan struct{}, 1)}
	release, err := l.last()
	if err != nil {
		return nil, err
	}
	l.current.Store(&release)
	l.SetEntries(release.Plugins)
	return l, nil
}

func (l *Ledger) last() (generations.Release, error) {
	current, err := l.store.Current()
	if errors.Is(err, generations.ErrNoRelease) {
		return generations.Release{}, nil
	}
	if !errors.Is(err, generations.ErrBroken) {
		return current, err
	}
	whole, _ := l.store.Releases() // the error is about the broken ones
	if len(whole) == 0 {
		l.opts.Logger.Error("the current release is broken and no other is whole: booting the image files", "err", err)
		return generations.Release{}, nil
	}
	newest := whole[len(whole)-1]
	l.opts.Logger.Error("the current release is broken: booting the newest one that is whole", "release", newest.Number, "err", err)
	return newest, nil
}

// Current returns the current release, or the zero Release if there is none. The caller must not change its map.
func (l *Ledger) Current() generations.Release { return *l.current.Load() }

// Entries returns a copy of what the next release will say if nothing changes.
func (l *Ledger) Entries() map[string]generations.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.entries)
}

// SetEntries replaces what the next release will say.
func (l *Ledger) SetEntries(entries map[string]generations.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = map[string]generations.Entry{}
	maps.Copy(l.entries, entries)
}

// Published returns a channel that has one message if a release was published since the last one was received.
func (l *Ledger) Published() <-chan struct{} { return l.changed }

// Publish writes a release that has the changed entries, and the current release's for all other plugins. If the
// current release says the same already, as at most boots, no new one is written. Publish returns the number of the
// release that a restart boots. After an error that is the release before, and what could not be published goes into
// the next one.
//
// published is called once that is on disk, with the ledger locked, so that what it notes in the history is in the order of
// releases. took leaves out the wait for the lock.
//
// Old releases beyond Options.Keep are pruned afterwards. A failure of that is only logged.
func (l *Ledger) Publish(
	cause string, rollbackOf int, changed map[string]generations.Entry, published func(release int, took time.Duration),
) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begin := time.Now()
	maps.Copy(l.entries, changed)
	current := l.Current()
	isNew := !maps.Equal(l.entries, current.Plugins)
	if isNew {
		release, err := l.store.Publish(generations.Manifest{Cause: cause, RollbackOf: rollbackOf, Plugins: l.entries})
		if err != nil {
			return current.Number, err
		}
		l.current.Store(&release)
		current = release
	}
	if isNew || len(changed) > 0 { // even the same release begins its probation anew: a plugin may serve what it names only now
		select {
		case l.changed <- struct{}{}:
		default: // a message that is still waiting covers this one, too
		}
	}
	published(current.Number, time.Since(begin))
	if isNew && l.opts.Keep > 0 {
		if _, err := l.pruneLocked(generations.PruneOptions{Keep: l.opts.Keep}); err != nil {
			l.opts.Logger.Warn("prune store", "err", err)
		}
	}
	return current.Number, nil
}

// Prune removes old releases from the store, and the images that no remaining release names, no pin holds and this
// process has not opened. If opts.Keep is 0, Options.Keep releases stay; if it is negative, all do. Prune sets
// opts.InUse.
func (l *Ledger) Prune(opts generations.PruneOptions) (generations.PruneReport, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if opts.Keep == 0 {
		opts.Keep = l.opts.Keep
	}
	if opts.Keep < 0 {
		opts.Keep = keepAll
	}
	return l.pruneLocked(opts)
}

// keepAll is more releases than a store ever has.
const keepAll = int(^uint(0) >> 1)

// pruneLocked is called with l.mu held. The store calls InUse with its own lock held, and that takes pins.mu.
func (l *Ledger) pruneLocked(opts generations.PruneOptions) (generations.PruneReport, error) {
	opts.InUse = l.inUse()
	return l.store.Prune(opts)
}

// inUse returns what reports whether an image is pinned or open.
func (l *Ledger) inUse() func(generations.ID) bool {
	opened := map[string]bool{}
	if l.opts.Mapped != nil {
		for _, path := range l.opts.Mapped() {
			opened[filepath.Base(path)] = true
		}
	}
	return func(id generations.ID) bool { return l.pins.has(id) || opened[id.String()+".so"] }
}

// Confirm confirms the current release, that is, makes it the one to fall back to, if serves reports that everything it
// names serves, and notes that in the history. It returns the number of the release if it is newly confirmed, and 0 if
// nothing has changed. serves is called with the ledger locked, so it must not call the ledger or wait for anyone who does.
func (l *Ledger) Confirm(serves func(generations.Release) bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.Current()
	if current.Number == 0 || !serves(current) {
		return 0, nil
	}
	before, err := l.store.Confirmed()
	if err == nil && before.Number == current.Number {
		return 0, nil
	}
	if err != nil && !errors.Is(err, generations.ErrNoRelease) && !errors.Is(err, generations.ErrBroken) {
		return 0, err
	}
	if err := l.store.Confirm(current.Number); err != nil {
		return 0, err
	}
	l.Note(generations.Event{Kind: generations.KindConfirm, Release: current.Number})
	return current.Number, nil
}

// Exclusively calls fn while nothing can be published, confirmed or pruned, and returns fn's error. fn must not call a
// method of the ledger that takes the lock.
func (l *Ledger) Exclusively(fn func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fn()
}

// Note appends an event to the history, with the present time. The history is only for people to read, so a failure to
// write it is only logged.
func (l *Ledger) Note(e generations.Event) {
	e.Time = time.Now()
	if err := l.store.AppendEvent(e); err != nil {
		l.opts.Logger.Warn("write history", "err", err)
	}
}

// ErrNothingBefore is returned when there is no earlier release to go back to.
var ErrNothingBefore = errors.New("no earlier release")

// Before returns the number of the last release before the current one that had another image of one of the plugins. It
// treats a rollback of those plugins as the release that was gone back to, so that a second rollback goes further back
// and not forward again.
func (l *Ledger) Before(plugins []string) (int, error) {
	current := l.Current()
	r := current
	for {
		for r.RollbackOf != 0 {
			again, err := l.store.Release(r.RollbackOf)
			if err != nil {
				return 0, fmt.Errorf("find the release before %d: %w; name one with --to", r.Number, err)
			}
			if differs(again, r, plugins) {
				break // it was a rollback of other plugins
			}
			r = again
		}
		if r.Previous == 0 {
			return 0, fmt.Errorf("%w: release %d is the first", ErrNothingBefore, r.Number)
		}
		previous, err := l.store.Release(r.Previous)
		if err != nil {
			return 0, fmt.Errorf("find the release before %d: %w; name one with --to", r.Number, err)
		}
		if differs(previous, current, plugins) {
			return previous.Number, nil
		}
		r = previous
	}
}

// differs reports whether an earlier release has another image of one of the plugins.
func differs(earlier, later generations.Release, plugins []string) bool {
	return slices.ContainsFunc(plugins, func(name string) bool {
		entry, has := earlier.Plugins[name]
		return has && entry.Image != later.Plugins[name].Image
	})
}
