package triggers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

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
	switch {
	case err == nil || j.item != nil && j.item.replay != nil:
		return over
	case errors.Is(context.Cause(j.ctx), errInterrupted) && j.item.volatile():
		return giveUp
	case errors.Is(context.Cause(j.ctx), errInterrupted):
		return postponed
	case errors.Is(err, ErrNotCalled) && t.engine.phase != running && j.item != nil:
		return giveUp
	case errors.Is(err, ErrNotCalled):
		return postponed
	}
	return t.verdict(t.failed, err)
}

// verdict returns what follows an error of the plugin's. failed is how many attempts have failed before.
func (t Trigger) verdict(failed int, err error) verdict {
	var p interface{ Permanent() bool }
	switch {
	case t.OnError == Disable:
		return disable
	case t.OnError == Log:
		return over
	case failed+1 >= t.Attempts || errors.As(err, &p) && p.Permanent():
		return setAside
	}
	return again
}

// Consequence says in words what follows if the first call for something ends with err. The trigger is resolved.
func (t Trigger) Consequence(err error) string {
	switch t.verdict(0, err) {
	case disable:
		return "on_error = disable: the trigger would be disabled until it is enabled by command; rows would be put aside"
	case setAside:
		return "on_error = retry: it would not be tried again, but put aside for `sohost trigger replay`"
	case again:
		return fmt.Sprintf("on_error = retry: it would be tried again after pauses, %d times in all, then put aside for `sohost trigger replay`", t.Attempts)
	}
	return "on_error = log: it would be logged and counted, and the next call made"
}

// after does what follows a call, according to the error policy.
func (t *trigger) after(j *job, err error) {
	e := t.engine
	e.mu.Lock()
	took := time.Since(t.began)
	v := t.judgeLocked(j, err)
	news := t.noteLocked(v, err, took)
	aside := v == setAside || v == disable && j.item != nil
	e.mu.Unlock()
	t.log(j, v, err)
	if news && e.o.Failed != nil {
		e.o.Failed(t.key.Plugin, t.Name, err, v == disable)
	}
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
		t.settleLetter(j.item.letter, err == nil)
	}
	if err == nil && j.item != nil && j.item.seq != 0 {
		t.letters.discardWrite(j.item.seq, j.item.since)
	}
	e.mu.Lock()
	if v == disable {
		t.disableLocked(fmt.Sprintf("after an error: %v", err))
	}
	t.settleLocked(j, v, err, unheld)
	t.interrupt(nil) // its context is of no more use
	t.busy, t.reached = false, false
	last := err == nil && j.item != nil && j.item.letter != "" && j.item.replay == nil && !slices.ContainsFunc(t.queue, isLetter)
	var rest []item
	if v == disable {
		rest = t.restLocked(0)
	}
	if e.hurried && e.phase == pausing {
		t.rejectLocked(0, errInterrupted)
	}
	e.tellLocked()
	e.mu.Unlock()
	if last {
		e.lettersDelivered(t.key.Plugin)
	}
	if v == disable {
		t.hold(rest, err)
		e.save(false)
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
			t.failed = 0
			t.rejectLocked(0, err)
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
		t.rejectLocked(0, err)
	case j.item.replay != nil:
		t.popLocked(0, err)
	default:
		t.popLocked(0, unheld)
	}
}

// rejectLocked tells those who wait for what is in the queue, but for the first keep items, that it isn't handled here. Letters stay
// letters, and writes of the backlog stay there.
func (t *trigger) rejectLocked(keep int, err error) {
	for i := len(t.queue) - 1; i >= keep; i-- {
		if t.queue[i].volatile() {
			t.popLocked(i, err)
		}
	}
}

// restLocked takes out what is left in the queue of a trigger that was disabled, but for the first keep items. hold must follow.
func (t *trigger) restLocked(keep int) (rest []item) {
	if t.engine.o.Backlog != nil { // from there, what was acknowledged so far is put aside
		t.aside = t.engine.o.Backlog.End()
		after := t.cursor
		if keep > 0 && t.reached {
			after = max(after, t.queue[0].seq)
		} else if keep > 0 && t.queue[0].seq != 0 {
			keep = 0 // its call isn't made
		}
		t.rewindLocked(after)
	}
	t.shelving++
	rest = append(rest, t.queue[keep:]...)
	t.setQueueLocked(t.queue[:keep:keep])
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
