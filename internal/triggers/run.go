package triggers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/abi"
)

// origin is where a trigger comes from.
type origin string

const (
	byConfig  origin = "config"
	byCommand origin = "command"
)

// trigger is a Trigger of a plugin at work. Its goroutine, run, is the only one that calls the plugin.
type trigger struct {
	key Key
	Trigger
	spec    Spec
	shown   *abi.Trigger
	engine  *Engine
	origin  origin
	wake    chan struct{} // has an element if something may be to do
	room    chan struct{} // has an element if the queue may have room
	putting sync.Mutex    // held while feed puts writes aside, and while that is undone; taken before the engine's mu
	batch   abi.Batch     // of the call that runs
	letters *letters

	requests atomic.Int64 // that came by it
	off      atomic.Bool  // disabled isn't empty, or the trigger is removed

	// The engine's mu guards what follows.
	removed   bool
	disabled  string // why the trigger is disabled; empty if it isn't
	busy      bool   // a call runs, since began
	began     time.Time
	interrupt context.CancelCauseFunc // ends the call's context
	notBefore time.Time               // when the next call may be made
	failed    int                     // attempts of the first in the queue, or of the time due, that have failed
	waits     int                     // calls in a row that could not be made, because of waiting
	waiting   string
	failing   bool // the last call that was made has failed

	queue   []item
	rows    int
	bytes   int64
	pending int // items of the backlog in the queue

	cursor uint64 // the last number of a write that is handled
	read   uint64 // the last one that was read from the backlog
	kept   uint64 // the last one that isn't needed after a crash
	aside  uint64 // the last one that is put aside while the trigger is disabled
	unfeed func() // has feed begin anew
	unread string // why the backlog can't be read
	era    int    // how often it was read from another place
	held   int    // callers of Cut that have it call nobody for what positions count

	shelving int // who puts aside what was in the queue or is in the backlog

	reached bool // the call that runs has reached the plugin

	due    time.Time // the time that is to be called for; zero if none is
	last   time.Time // the last time that was called for, or skipped
	missed int       // times that were skipped since then

	Counts
}

// disableLocked disables the trigger, or enables it if why is empty.
func (t *trigger) disableLocked(why string) {
	t.disabled = why
	t.off.Store(why != "")
}

// nudge has run look whether something is to do.
func (t *trigger) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// job is what a call is made for.
type job struct {
	ctx  context.Context
	item *item // nil for a time
	tick abi.Tick
	era  int
}

// maxSleep is how long run sleeps at most while a time is to come: the clock may be set meanwhile.
const maxSleep = 10 * time.Minute

// run calls the plugin whenever the trigger fires, until the trigger is removed or the engine ends.
func (t *trigger) run() {
	clean := false
	defer func() {
		if !clean { // the plugin has ended the goroutine, and call has noted that
			t.engine.tasks.Go(t.run)
		}
	}()
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for {
		j, wait, end := t.next()
		switch {
		case end:
			clean = true
			return
		case j != nil:
			t.do(j)
			continue
		case wait < 0:
			timer.Stop()
		default:
			timer.Reset(min(wait, maxSleep))
		}
		select {
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// next returns what to call the plugin for now. If there is nothing, it says how long to wait for it: negative is until a nudge.
func (t *trigger) next() (j *job, wait time.Duration, end bool) {
	e := t.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.removed || e.phase == ended {
		return nil, 0, true
	}
	now := time.Now()
	urgent := e.phase == pausing && t.volatileLocked()
	if t.disabled != "" || t.held > 0 && t.placedLocked() || e.phase != running && !urgent {
		return nil, -1, false
	}
	if t.spec.Scheduled() {
		if wait := t.scheduleLocked(now); wait != 0 {
			return nil, wait, false
		}
	} else if len(t.queue) == 0 {
		return nil, -1, false
	}
	if wait := t.notBefore.Sub(now); wait > 0 && !urgent {
		return nil, wait, false
	}
	t.busy, t.reached, t.began = true, false, now
	var ctx context.Context
	ctx, t.interrupt = context.WithCancelCause(e.calls)
	if len(t.queue) > 0 { // or a letter of a schedule
		first := t.queue[0] // a copy: the queue may be replaced
		return &job{ctx: ctx, item: &first, era: t.era}, 0, false
	}
	return &job{ctx: ctx, tick: abi.Tick{Trigger: t.shown, Due: t.due, Skipped: t.missed, Attempt: t.failed + 1}}, 0, false
}

// do makes one call.
func (t *trigger) do(j *job) {
	err := errors.New("the plugin ended its goroutine")
	defer func() { t.after(j, err) }() // also then
	ctx, cancel := context.WithTimeoutCause(j.ctx, t.Timeout,
		fmt.Errorf("%w of %v (timeout of the trigger allows more)", context.DeadlineExceeded, t.Timeout))
	defer cancel()
	if it := j.item; it != nil && !t.spec.Scheduled() {
		t.batch = abi.Batch{Trigger: t.shown, Database: it.database, Seq: it.seq, Attempt: t.failed + 1, Tables: it.tables}
	} else if it != nil {
		j.tick = abi.Tick{Trigger: t.shown, Due: it.since, Attempt: 1}
	}
	err = t.engine.o.Call(ctx, t.key.Plugin, func(i abi.Instance) error {
		if !t.reach(j) {
			return fmt.Errorf("%w: the state is another by now", ErrNotCalled)
		}
		if t.spec.Kind == Write {
			if h, ok := i.(abi.BatchHandler); ok {
				return h.HandleBatch(ctx, &t.batch)
			}
		} else if h, ok := i.(abi.ScheduleHandler); ok {
			return h.HandleSchedule(ctx, j.tick)
		}
		return fmt.Errorf("%w: %w", ErrNotCalled, Check(i, t.spec)) // impossible after the check of a deploy
	})
}

// reach reports whether a call is still to be made when it reaches the plugin.
func (t *trigger) reach(j *job) bool {
	t.engine.mu.Lock()
	defer t.engine.mu.Unlock()
	t.reached = j.era == t.era
	return t.reached || j.item == nil || j.item.seq == 0
}
