// Package ledger knows what is current on disk: the release that a restart boots, what the next one will say, and which images
// must stay in the store although no release names them.
//
// One lock orders everything that changes it: publications, confirmations and prunes. Storing an image takes it not, so that
// no publication waits for a copy.
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

// Ledger is the ledger of one store. Its methods may be called from any goroutine.
type Ledger struct {
	store *generations.Store
	opts  Options

	current atomic.Pointer[generations.Release]
	changed chan struct{} // see Published
	pins    pins

	mu      sync.Mutex                   // guards entries and every store to current; held for all of a publication, confirmation or prune
	entries map[string]generations.Entry // what the next release says: current's, and what could not be published yet
}

// Options adjust a ledger.
type Options struct {
	// Keep is how many releases stay when a new one is published; negative: all.
	Keep int

	// Opened returns the paths of images that must stay since this process has opened them. Their blocks stay on disk as long as
	// they are mapped; and if the same bytes came back as another file, this process could never open that. Default: none.
	Opened func() []string

	Logger *slog.Logger
}

// Open reads which release is current. If that is broken it is the newest one that is whole, and if there is none the zero
// Release; the next publication mends what is broken.
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

// Current returns the release that is current, the zero Release if there is none. It must not be changed.
func (l *Ledger) Current() generations.Release { return *l.current.Load() }

// Entries returns what the next release will say if nothing changes.
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

// Published returns a channel with one message if a release was published since the last one was received.
func (l *Ledger) Published() <-chan struct{} { return l.changed }

// Publish writes a release that says of the changed plugins what their entries say, and of all others what the current one does.
// If the current release says the same already, as at a boot, there is no new one. Publish returns the number of the release that a
// restart boots. After an error that is the one before, and what could not be published goes into the next one.
//
// published is called once all that is on disk, with the ledger locked, so that what it notes in the history is in the order of releases; took
// is without the wait for the lock.
//
// A new release makes old ones too many: they are pruned, see Options.Keep. That this fails is only logged.
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
	if isNew || len(changed) > 0 { // a plugin may not have served what the release has named all along
		select {
		case l.changed <- struct{}{}:
		default: // one that is waiting covers this one, too
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

// Prune removes old releases from the store, and images that no remaining release names and nothing here needs. opts.Keep counts
// the releases that stay: 0 stands for Options.Keep, and a negative number for all. Prune sets opts.InUse.
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

// pruneLocked is called with mu held.
func (l *Ledger) pruneLocked(opts generations.PruneOptions) (generations.PruneReport, error) {
	opened := map[string]bool{}
	if l.opts.Opened != nil {
		for _, path := range l.opts.Opened() {
			opened[filepath.Base(path)] = true
		}
	}
	opts.InUse = func(id generations.ID) bool { return l.pins.has(id) || opened[id.String()+".so"] }
	return l.store.Prune(opts)
}

// Confirm makes the current release the one to fall back to and notes that in the history, if serves reports that all that it names serves. It returns the
// number of the release if it is newly confirmed, and 0 if nothing has changed. serves is called with the ledger locked.
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

// Exclusively calls fn while nothing is published, confirmed or pruned, and returns its error.
func (l *Ledger) Exclusively(fn func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fn()
}

// Note appends an event to the history, with the present time. The history is for people: that it can't be written is only
// logged.
func (l *Ledger) Note(e generations.Event) {
	e.Time = time.Now()
	if err := l.store.AppendEvent(e); err != nil {
		l.opts.Logger.Warn("write history", "err", err)
	}
}

// ErrNothingBefore is returned when there is no earlier release to go back to.
var ErrNothingBefore = errors.New("no earlier release")

// Before returns the number of the last release before the current one that had another image of one of the plugins. A rollback
// of them counts as the release that it went back to, so that a second one goes further back and not forward again.
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
				break // it was a rollback of others
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
