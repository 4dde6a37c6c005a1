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

	// Grace is how long Close waits for commands that it has killed. One that hangs in the kernel ends when it likes.
	Grace time.Duration
}

// Runner tells hooks of events. Its methods may be called from any goroutine.
type Runner struct {
	o     Options
	tasks sync.WaitGroup // a goroutine for each hook, also of those that were left out and haven't ended yet
	mu    sync.Mutex     // guards all
	all   map[string]*running

	counted map[string]Status // of hooks that were told before the last Close, or by the program before
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

// Set makes hooks those that are told, by name, each of what happens from now on; one that was there already goes on where it was, also
// with other settings. from says for some where to begin; nil: for none. It ends those that are left out, with a command of theirs that
// runs.
func (r *Runner) Set(hooks map[string]Hook, from map[string]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.all
	r.all = map[string]*running{}
	for name, h := range hooks {
		old := was[name]
		if old != nil && reflect.DeepEqual(h, old.hook) {
			r.all[name] = old
			delete(was, name)
			continue
		}
		at, known := from[name]
		if !known {
			at = r.o.Events.Last()
		}
		status := Status{Name: name}
		if before, is := r.counted[name]; is && old == nil {
			status = before
		}
		ctx, end := context.WithCancel(context.Background())
		one := &running{hook: h, name: name, at: at, status: status, finish: make(chan struct{}), end: end, done: make(chan struct{})}
		if old != nil {
			one.at = old.at
		}
		r.all[name] = one
		r.tasks.Go(func() {
			defer close(one.done)
			if old != nil { // one event after the other
				<-old.done
				r.note(one, func() { one.at = old.at })
			}
			r.run(ctx, one)
		})
	}
	for _, old := range was {
		old.end()
	}
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

// Close ends all hooks once they were told of what has happened so far, or when that takes longer than patience; then commands that run
// are killed. It returns up to which event each was told, for Set in the program that takes over, or here if none does.
func (r *Runner) Close(patience time.Duration) (at map[string]uint64) {
	r.mu.Lock()
	all := r.all
	r.all = map[string]*running{}
	r.mu.Unlock()
	for _, one := range all {
		close(one.finish)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.tasks.Wait()
	}()
	await(ended, patience)
	for _, one := range all {
		one.end()
	}
	await(ended, r.o.Grace)
	r.mu.Lock()
	defer r.mu.Unlock()
	at, r.counted = map[string]uint64{}, map[string]Status{}
	for name, one := range all {
		at[name], r.counted[name] = one.at, one.status
	}
	return at
}

// Counted returns how the hooks did until Close, by name, for Remember in the program that takes over.
func (r *Runner) Counted() (all []Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.counted)) {
		all = append(all, r.counted[name])
	}
	return all
}

// Remember has the status of hooks go on where they were. It is called before Set.
func (r *Runner) Remember(all []Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted = map[string]Status{}
	for _, s := range all {
		r.counted[s.Name] = s
	}
}

// await waits until c is closed, or for a time.
func await(c <-chan struct{}, limit time.Duration) {
	select {
	case <-c:
	case <-time.After(limit):
	}
}

// run tells a hook of events until it is ended.
func (r *Runner) run(ctx context.Context, one *running) {
	for at := one.at; ; {
		upTo := at
		entries, missed, changed := r.o.Events.Since(at)
		upTo += uint64(len(entries)) + missed
		for _, e := range entries {
			if one.hook.wants(e.Event.Event) && !r.tell(ctx, one, e) {
				return
			}
			at = e.Seq
			r.note(one, func() { one.at = at })
		}
		if missed > 0 {
			at = upTo
			r.note(one, func() { one.at, one.status.Missed = at, one.status.Missed+missed })
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

// tell tells a hook of one event, in as many attempts as it takes and may. It reports false if the hook was ended before an outcome: then
// whoever goes on tells of the event again.
func (r *Runner) tell(ctx context.Context, one *running, e events.Entry) bool {
	attempts, pause := one.hook.Attempts, r.o.Pause
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	for n := 1; ; n++ {
		err := one.hook.deliver(ctx, e, &r.o)
		if err == nil {
			r.note(one, func() { one.status.Delivered++; one.status.Error, one.status.ErrorTime = "", time.Time{} })
			return true
		}
		if ctx.Err() != nil {
			return false
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
			return true
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return false
		}
	}
}
