// Package watch tells when files have been changed and are quiet again.
//
// An event means "look at it", never "it is different": whoever gets one compares contents. Every change that is followed
// by quiet leads to an event after it, but several changes may lead to one event, and an event may come for no change.
//
// The kernel reports changes through inotify, and a watcher at rest then does nothing at all, not even keep a timer. Where
// inotify can't serve, because its limits are reached or because others change the files behind the kernel's back (network
// and FUSE file systems), paths are polled; Target.Status says which and why.
//
// Three changes are never seen through inotify: those made through another hard link in a directory that isn't watched,
// those made through a shared writable memory mapping, and a file system mounted over a directory of the path. A file
// server that doesn't answer holds up all targets of the watcher, and Close.
package watch

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed is returned when a path is given to a watcher that was closed.
var ErrClosed = errors.New("watcher is closed")

// Options are the properties of a Watcher. Fields that are zero or negative have their defaults.
type Options struct {
	// Settle is how long a target must be quiet after its last change before there is an event. Polled targets must be
	// quiet for PollInterval if that is longer. The default is 50 ms.
	Settle time.Duration

	// MaxSettle is the longest time from a change to its event, for targets that don't become quiet. The default is 2 s;
	// it is never less than Settle.
	MaxSettle time.Duration

	// PollInterval is the time between two looks at a polled target. The default is 1 s.
	PollInterval time.Duration

	// ForcePoll has every target polled.
	ForcePoll bool

	// Logger is told which targets are polled. The default discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Settle = cmp.Or(max(o.Settle, 0), 50*time.Millisecond)
	o.MaxSettle = max(cmp.Or(max(o.MaxSettle, 0), 2*time.Second), o.Settle)
	o.PollInterval = cmp.Or(max(o.PollInterval, 0), time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// Watcher watches any number of paths. Its methods may be called from any goroutine.
type Watcher struct {
	loop      *loop
	closeOnce sync.Once
	working   sync.WaitGroup
}

// New returns a watcher of nothing. It never fails: without inotify it polls.
func New(o Options) *Watcher {
	if o.ForcePoll {
		return start(o, source{unserved: "polling was asked for"})
	}
	n, err := openInotify()
	if err != nil {
		return start(o, source{unserved: err.Error()})
	}
	return start(o, n.source())
}

func start(o Options, src source) *Watcher {
	w := &Watcher{loop: newLoop(o.withDefaults(), src)}
	w.working.Go(w.loop.run)
	w.working.Go(w.loop.deliver)
	return w
}

// Close ends all watching. When it returns, no call to a target's function is running or will be. A target's function must
// not call it.
func (w *Watcher) Close() {
	w.closeOnce.Do(func() { close(w.loop.done) })
	w.working.Wait()
}
