// Package watch reports when files have changed and then settled.
//
// An event means "look at it", never "it is different": its receiver must compare contents. Every change that is followed by
// a quiet period leads to an event after it, but several changes may lead to one event, and there may be an event without a
// change.
//
// The kernel reports changes through inotify, and an idle watcher does nothing at all; it doesn't even keep a timer. Paths are
// polled if inotify can't serve them, because its limits are reached or because others change the files without this kernel's
// knowledge (network and FUSE file systems). Target.Status reports which paths are polled, and why.
//
// Two changes are never seen through inotify: those made through another hard link in a directory that isn't watched, and those
// made through a shared writable memory mapping. What is mounted over a directory of the path, and unmounted, the kernel tells those
// who poll the table of mounts. A file server that doesn't answer blocks all targets of the watcher, and Close.
package watch

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed is returned when a path is added to a closed watcher.
var ErrClosed = errors.New("watcher is closed")

// Options configures a Watcher. A field that is zero or negative has its default.
type Options struct {
	// Settle is how long a target must be quiet after its last change before there is an event. Polled targets must be
	// quiet for PollInterval if that is longer. The default is 50 ms.
	Settle time.Duration

	// MaxSettle is the longest time from a change to its event, for targets that don't become quiet. The default is 2 s. It
	// is never less than Settle.
	MaxSettle time.Duration

	// PollInterval is the time between two looks at a polled target. The default is 1 s.
	PollInterval time.Duration

	// ForcePoll makes the watcher poll every target.
	ForcePoll bool

	// Logger logs which targets are polled. The default discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Settle = cmp.Or(max(o.Settle, 0), 50*time.Millisecond)
	o.MaxSettle = max(cmp.Or(max(o.MaxSettle, 0), 2*time.Second), o.Settle)
	o.PollInterval = cmp.Or(max(o.PollInterval, 0), time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// A Watcher watches any number of paths. Its methods are safe for concurrent use.
type Watcher struct {
	loop      *loop
	closeOnce sync.Once
	working   sync.WaitGroup
}

// New returns a watcher without targets. It never fails: without inotify it polls.
func New(o Options) *Watcher {
	if o.ForcePoll {
		return start(o, source{unserved: "polling is configured"})
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

// Close ends all watching. Once it has returned, no target's function is running or will be called. A target's function must
// not call it.
func (w *Watcher) Close() {
	w.closeOnce.Do(func() { close(w.loop.done) })
	w.working.Wait()
}
