package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pause lets no more calls begin, and waits for those that run, and for the writes whose acknowledgement depends on a plugin: they are
// delivered first, and those that the plugin can't take at the moment fail. Deliver and what changes triggers waits meanwhile. When ctx
// ends, the contexts of the calls that run end, too, and those writes fail. A call that fails then is no error of the plugin: it is made
// again by whoever is next. If a call goes on for another 2 s, all goes on as before and the error names the triggers.
//
// After Pause nothing is put aside, and nothing of it is written to the store: Save returns what the next process is to go on from.
func (e *Engine) Pause(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase != running {
		return nil
	}
	e.turnLocked(pausing)
	e.hurried = false
	limit := ctx
	for {
		if len(e.busyLocked()) == 0 {
			e.turnLocked(paused)
			return nil
		}
		turned := e.turned
		e.mu.Unlock()
		select {
		case <-turned:
		case <-limit.Done():
		}
		e.mu.Lock()
		switch {
		case e.phase != pausing:
			return e.why
		case limit.Err() == nil:
		case !e.hurried:
			e.hurryLocked(context.Cause(ctx))
			var cancel context.CancelFunc
			limit, cancel = context.WithTimeout(context.WithoutCancel(ctx), hurryGrace)
			defer cancel()
		default:
			e.turnLocked(running)
			return fmt.Errorf("calls of triggers have not returned, and go on although their contexts have ended (%s): %w; "+
				"have them heed the context, or try again when they have returned", strings.Join(e.busyLocked(), ", "), context.Cause(ctx))
		}
	}
}

// hurryGrace is how long Pause waits for calls whose contexts it has ended.
const hurryGrace = 2 * time.Second

// hurryLocked ends the contexts of the calls that run, and tells the writers who wait that their rows aren't handled here.
func (e *Engine) hurryLocked(why error) {
	e.hurried = true
	for _, t := range e.all {
		keep := 0
		if t.busy {
			t.interrupt(fmt.Errorf("%w: %w", errInterrupted, why))
			keep = 1
		}
		t.rejectLocked(keep, why)
	}
}

// errInterrupted is the cause with which the context of a call ends that Pause waits for.
var errInterrupted = errors.New("the call is interrupted, and made again by the next process")

// busyLocked lists the triggers that Pause waits for.
func (e *Engine) busyLocked() (busy []string) {
	for _, t := range e.all {
		switch {
		case t.busy:
			busy = append(busy, fmt.Sprintf("%s for %v", t.key, time.Since(t.began).Round(time.Millisecond)))
		case t.shelving > 0, t.volatileLocked():
			busy = append(busy, t.key.String())
		}
	}
	slices.Sort(busy)
	if e.writing { // it would replace what the next process saves
		busy = append(busy, "what the triggers save is being written")
	}
	return busy
}

// Resume undoes Pause. Times that passed meanwhile are caught up with.
func (e *Engine) Resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase == pausing || e.phase == paused {
		e.turnLocked(running)
		e.changedLocked() // what was not saved meanwhile
	}
}
