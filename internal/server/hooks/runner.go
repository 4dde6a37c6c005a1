package hooks

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os/exec"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/events"
)

// Options is what a Runner needs. All fields must be set.
type Options struct {
	Events *events.Log
	Log    *slog.Logger

	Start func(*exec.Cmd) error // starts a command, as its method Start does
	Ended func(pid int)         // is told when it has been waited for

	// Pause is how long the first attempt that failed is followed by nothing; each time it is twice as long.
	Pause time.Duration
}

// Runner tells hooks of events. Its methods may be called from any goroutine.
type Runner struct {
	o   Options
	mu  sync.Mutex // guards all
	all map[string]*running
}

// running is one hook with its goroutine.
type running struct {
	hook   Hook
	name   string
	at     uint64 // up to this event it was told; under the Runner's mu, like status
	status Status
	finish chan struct{}      // closed when it is to end once it has been told of what there is
	end    context.CancelFunc // ends it now
	done   chan struct{}      // closed when it has ended
}

// NewRunner returns a Runner without hooks.
func NewRunner(o Options) *Runner { return &Runner{o: o, all: map[string]*running{}} }

// Set makes hooks those that are told, by name, each of what happens from now on; one that was there already goes on where it was. from
// says for some where to begin; nil: for none. It ends those that are left out, with a command of theirs that runs.
func (r *Runner) Set(hooks map[string]Hook, from map[string]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, old := range r.all {
		if next, stays := hooks[name]; !stays || !reflect.DeepEqual(next, old.hook) {
			old.end()
			delete(r.all, name)
		}
	}
	for name, h := range hooks {
		if r.all[name] != nil {
			continue
		}
		at, known := from[name]
		if !known {
			at = r.o.Events.Last()
		}
		ctx, end := context.WithCancel(context.Background())
		one := &running{hook: h, name: name, at: at, status: Status{Name: name}, finish: make(chan struct{}), end: end, done: make(chan struct{})}
		r.all[name] = one
		go r.run(ctx, one)
	}
}

// Positions returns up to which event each hook was told, for Set in the program that takes over.
func (r *Runner) Positions() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := map[string]uint64{}
	for name, one := range r.all {
		at[name] = one.at
	}
	return at
}

// Status returns how the hooks do, by name.
func (r *Runner) Status() (all []Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.all)) {
		all = append(all, r.all[name].status)
	}
	return all
}

// Close ends all hooks once they were told of what has happened so far, or when that takes longer than patience.
func (r *Runner) Close(patience time.Duration) {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.all))
	clear(r.all)
	r.mu.Unlock()
	late := time.After(patience)
	for _, one := range all {
		close(one.finish)
	}
	for _, one := range all {
		select {
		case <-one.done:
		case <-late:
			late = time.After(0) // for the others, too
			one.end()
			<-one.done
		}
		one.end()
	}
}

// run tells a hook of events until it is ended.
func (r *Runner) run(ctx context.Context, one *running) {
	defer close(one.done)
	for at := one.at; ; {
		upTo := at
		entries, missed, changed := r.o.Events.Since(at)
		upTo += uint64(len(entries)) + missed
		for _, e := range entries {
			if one.hook.wants(e.Event.Event) {
				r.tell(ctx, one, e)
			}
			if ctx.Err() != nil {
				return // the next program tells of this one
			}
			at = e.Seq
			r.note(one, func() { one.at = at })
		}
		if missed > 0 {
			at = upTo
			r.note(one, func() { one.status.Missed += missed })
			r.o.Log.Warn("a hook was too slow for some events, or the worker that told of them was too quick", "hook", one.name, "missed", missed)
		}
		if len(entries) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-one.finish:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (r *Runner) note(one *running, change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// tell tells a hook of one event, in as many attempts as it takes and may.
func (r *Runner) tell(ctx context.Context, one *running, e events.Entry) {
	attempts, pause := one.hook.Attempts, r.o.Pause
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	for n := 1; ; n++ {
		err := one.hook.deliver(ctx, e, &r.o)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			r.note(one, func() { one.status.Delivered++; one.status.Error, one.status.ErrorTime = "", time.Time{} })
			return
		}
		last := n == attempts || errors.Is(err, errFinal)
		r.note(one, func() {
			one.status.Error, one.status.ErrorTime = err.Error(), time.Now()
			if last {
				one.status.Failed++
			}
		})
		if last {
			r.o.Log.Error("a hook didn't take an event", "hook", one.name, "event", e.Kind, "plugin", e.Plugin, "attempts", n, "err", err)
			return
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return
		}
	}
}
