package triggers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	batch   abi.Batch     // of the call that runs
	letters *letters

	requests atomic.Int64 // that came by it
	off      atomic.Bool  // disabled isn't empty, or the trigger is removed

	// The engine's mu guards what follows.
	removed   bool
	disabled  string // why the trigger is disabled; empty if it isn't
	busy      bool   // a call runs, since began
	began     time.Time
	notBefore time.Time // when the next call may be made
	failed    int       // attempts of the first in the queue, or of the time due, that have failed
	waits     int       // calls in a row that could not be made, because of waiting
	waiting   string

	queue []item
	rows  int
	bytes int64

	cursor uint64    // the last number of a write that is handled
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
	item *item // nil for a time
	tick abi.Tick
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
	if t.disabled != "" || e.phase != running && !urgent {
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
	t.busy, t.began = true, now
	if len(t.queue) > 0 { // or a letter of a schedule
		return &job{item: &t.queue[0]}, 0, false
	}
	return &job{tick: abi.Tick{Trigger: t.shown, Due: t.due, Skipped: t.missed, Attempt: t.failed + 1}}, 0, false
}

// do makes one call.
func (t *trigger) do(j *job) {
	err := errors.New("the plugin ended its goroutine")
	defer func() { t.after(j, err) }() // also then
	ctx, cancel := context.WithTimeoutCause(t.engine.calls, t.Timeout,
		fmt.Errorf("%w of %v (timeout of the trigger allows more)", context.DeadlineExceeded, t.Timeout))
	defer cancel()
	if it := j.item; it != nil && !t.spec.Scheduled() {
		t.batch = abi.Batch{Trigger: t.shown, Database: it.database, Seq: it.seq, Attempt: t.failed + 1, Tables: it.tables}
	} else if it != nil {
		j.tick = abi.Tick{Trigger: t.shown, Due: it.since, Attempt: 1}
	}
	err = t.engine.o.Call(ctx, t.key.Plugin, func(i abi.Instance) error {
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

// verdict is what follows a call.
type verdict int

const (
	over      verdict = iota // the call is done with, with or without an error
	again                    // it is made again
	postponed                // it wasn't made, and is made later
	setAside                 // it is put aside
	disable                  // it is put aside, and the trigger disabled
	giveUp                   // the writer is told that it wasn't made
)

// judgeLocked returns what follows.
func (t *trigger) judgeLocked(j *job, err error) verdict {
	var p interface{ Permanent() bool }
	switch {
	case err == nil || j.item != nil && j.item.replay != nil:
		return over
	case errors.Is(err, ErrNotCalled) && t.engine.phase != running && j.item != nil:
		return giveUp
	case errors.Is(err, ErrNotCalled):
		return postponed
	case t.OnError == Disable:
		return disable
	case t.OnError == Log:
		return over
	case t.failed+1 >= t.Attempts || errors.As(err, &p) && p.Permanent():
		return setAside
	}
	return again
}

// after does what follows a call, according to the error policy.
func (t *trigger) after(j *job, err error) {
	e := t.engine
	e.mu.Lock()
	took := time.Since(t.began)
	v := t.judgeLocked(j, err)
	t.noteLocked(v, err, took)
	aside := v == setAside || v == disable && j.item != nil
	e.mu.Unlock()
	t.log(j, v, err)
	var unheld error // for the writer: nobody has what it wrote
	if aside {
		lost := t.setAside(j, err, v == disable)
		if lost != nil && v == setAside {
			e.o.Logger.Error("trigger: what the plugin couldn't handle can't be put aside: it is tried again",
				"plugin", t.key.Plugin, "trigger", t.Name, "err", lost)
			v = again
		} else if lost != nil {
			e.o.Logger.Error("trigger: what the plugin couldn't handle can't be put aside", "plugin", t.key.Plugin, "trigger", t.Name, "err", lost)
			unheld = err
		}
	}
	if v == over && j.item != nil && j.item.letter != "" && (err == nil || j.item.replay == nil) {
		t.letters.discard(j.item.letter)
	}
	e.mu.Lock()
	if v == disable {
		t.disableLocked(fmt.Sprintf("after an error: %v", err))
	}
	t.settleLocked(j, v, err, unheld)
	rest := t.restLocked(v)
	t.busy = false
	e.tellLocked()
	e.mu.Unlock()
	if v == disable {
		t.hold(rest, err)
		if err := e.save(false); err != nil {
			e.o.Logger.Error("trigger: that it is disabled can't be saved: a restart enables it", "plugin", t.key.Plugin, "trigger", t.Name, "err", err)
		}
	}
}

// settleLocked takes what was called for out of the way, or notes when it is tried again.
func (t *trigger) settleLocked(j *job, v verdict, err, unheld error) {
	now := time.Now()
	switch v {
	case postponed:
		t.waits++
		t.waiting = err.Error()
		t.notBefore = now.Add(pause(t.waits, 100*time.Millisecond, 5*time.Second))
		return
	case again:
		if t.engine.phase == pausing && t.failed >= t.Attempts { // it can't be put aside either: the writer may try it elsewhere
			t.rejectLocked(err)
			return
		}
		t.failed++
		t.waits, t.waiting = 0, ""
		t.notBefore = now.Add(pause(t.failed, time.Second, time.Minute))
		return
	}
	t.failed, t.waits, t.waiting, t.notBefore = 0, 0, "", time.Time{}
	switch {
	case j.item == nil:
		t.calledLocked(now)
	case v == giveUp:
		t.rejectLocked(err)
	case j.item.replay != nil:
		t.popLocked(0, err)
	default:
		t.popLocked(0, unheld)
	}
}

// rejectLocked tells all writers in the queue that their rows can't be handled here. Those in a spool are delivered again by whoever is next.
func (t *trigger) rejectLocked(err error) {
	t.failed = 0
	for len(t.queue) > 0 {
		t.popLocked(0, err)
	}
}

// restLocked takes out what is left in the queue of a trigger that was disabled.
func (t *trigger) restLocked(v verdict) (rest []item) {
	if v != disable {
		return nil
	}
	rest = append(rest, t.queue...)
	t.queue, t.rows, t.bytes = nil, 0, 0
	return rest
}

// pause returns how long to wait after the n-th failure in a row: twice as long each time, up to a limit, give or take a quarter.
func pause(n int, first, limit time.Duration) time.Duration {
	d := limit
	if n < 16 && first<<(n-1) < limit {
		d = first << (n - 1)
	}
	return d*3/4 + rand.N(d/2)
}

// log logs an error.
func (t *trigger) log(j *job, v verdict, err error) {
	if err == nil {
		return
	}
	attrs := []any{"plugin", t.key.Plugin, "trigger", t.Name, "err", err}
	if j.item != nil {
		attrs = append(attrs, "rows", j.item.rows)
	} else {
		attrs = append(attrs, "due", j.tick.Due)
	}
	log, text := t.engine.o.Logger.Error, "trigger: the plugin's error is logged, and the next call is made"
	switch v {
	case postponed:
		log, text = t.engine.o.Logger.Debug, "trigger: the plugin can't be called now"
	case giveUp:
		log, text = t.engine.o.Logger.Warn, "trigger: the plugin can't be called now, and the writer is told so"
	case again:
		log, text = t.engine.o.Logger.Warn, "trigger: the call is made again after a pause"
	case setAside:
		text = "trigger: what the plugin couldn't handle is put aside; `sohost trigger replay` delivers it again"
	case disable:
		text = "trigger: disabled until `sohost trigger enable`"
	}
	log(text, attrs...)
}
