package watch

import (
	"maps"
	"slices"
	"time"
)

// loop is the state of a watcher. The goroutine of run owns all of it; others send it functions to call.
type loop struct {
	Options
	src      source
	requests chan func()
	calls    chan call
	done     chan struct{}

	targets  map[*Target]struct{}
	dirs     map[int32]*directory // by watch descriptor
	stale    map[*Target]struct{} // to be armed again once the current records have been handled
	ready    []*Target            // have an event that waits to be delivered
	nextPoll time.Time            // zero while nothing is polled
	turns    int
	calm     calm
}

// call is an event on its way to its target's function.
type call struct {
	to *Target
	ev Event
}

func newLoop(o Options, src source) *loop {
	return &loop{
		Options:  o,
		src:      src,
		requests: make(chan func()),
		calls:    make(chan call),
		done:     make(chan struct{}),
		targets:  make(map[*Target]struct{}),
		dirs:     make(map[int32]*directory),
		stale:    make(map[*Target]struct{}),
	}
}

func (l *loop) run() {
	if l.src.close != nil {
		defer l.src.close()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.turns++
		// When idle there is no timer, so the process isn't woken for nothing.
		timer.Stop()
		if at := l.deadline(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		var calls chan<- call
		var next call
		if len(l.ready) > 0 {
			calls, next = l.calls, call{l.ready[0], *l.ready[0].out}
		}
		select {
		case <-l.done:
			return
		case f := <-l.requests:
			f()
		case records, ok := <-l.src.events:
			if !ok {
				l.sourceLost()
				break
			}
			now := time.Now()
			for _, r := range records {
				l.handle(r, now)
			}
		case <-l.src.mounted:
			l.mounted(time.Now())
		case calls <- next:
			next.to.out = nil
			l.ready = slices.Delete(l.ready, 0, 1)
			l.calm.deliver(1)
		case <-timer.C:
		}
		l.rearm()
		l.step(time.Now())
		l.calm.setRestless(l.restless())
	}
}

// deliver calls the targets' functions. It runs in its own goroutine, so that they may be slow and use the watcher.
func (l *loop) deliver() {
	for {
		select {
		case <-l.done:
			return
		case c := <-l.calls:
			if !c.to.removed.Load() {
				c.to.call(c.ev)
			}
			l.calm.deliver(-1)
		}
	}
}

// do makes the loop call f, and returns when f has returned.
func (l *loop) do(f func()) error {
	replied := make(chan struct{})
	select {
	case l.requests <- func() { f(); close(replied) }:
		<-replied
		return nil
	case <-l.done:
		return ErrClosed
	}
}

func (l *loop) add(t *Target) (*Target, error) {
	abs, err := absolute(t.path)
	if err != nil {
		return nil, err
	}
	t.abs, t.loop = abs, l
	err = l.do(func() {
		l.targets[t] = struct{}{}
		l.arm(t)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (l *loop) drop(t *Target) {
	// The only error is ErrClosed, and a closed watcher has no targets.
	_ = l.do(func() {
		l.claim(t, nil)
		l.sweep()
		delete(l.targets, t)
		l.ready = slices.DeleteFunc(l.ready, func(r *Target) bool { return r == t })
	})
}

// deadline returns when the loop has something to do even if nothing happens. The zero time means never.
func (l *loop) deadline() time.Time {
	at := l.nextPoll
	for t := range l.targets {
		if t.quiet.waiting() && (at.IsZero() || t.quiet.due.Before(at)) {
			at = t.quiet.due
		}
	}
	return at
}

// step does what is due.
func (l *loop) step(now time.Time) {
	if !l.nextPoll.IsZero() && !now.Before(l.nextPoll) {
		l.poll(now)
	}
	for t := range l.targets {
		if t.quiet.over(now) {
			l.settled(t)
		}
	}
}

// sourceLost makes the loop poll everything from now on.
func (l *loop) sourceLost() {
	l.src.events, l.src.unserved = nil, "inotify can no longer be read"
	for t := range l.targets {
		t.claims = nil
		l.touch(t, t.base, signature{}, time.Now())
		l.stale[t] = struct{}{}
	}
	clear(l.dirs)
}

func (l *loop) rearm() {
	if len(l.stale) == 0 {
		return
	}
	for t := range maps.Keys(l.stale) {
		l.arm(t)
	}
	clear(l.stale)
}
