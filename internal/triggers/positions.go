package triggers

import (
	"context"
	"fmt"
	"strings"
)

// Positions are up to where the triggers of a plugin have handled the writes of the Backlog, by name, and how many letters each has
// delivered, by letterPosition.
type Positions = map[string]uint64

// Cut has no write of the Backlog, and no letter, handled by a plugin until release is called, waits for the calls for them that run, and
// returns up to where its triggers have come. What is read of the plugin's state until then has these, and no others. If ctx ends first,
// release is nil.
func (e *Engine) Cut(ctx context.Context, plugin string) (at Positions, release func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cut := e.writersOfLocked(plugin)
	for _, t := range cut {
		t.held++
	}
	letGoLocked := func() {
		for _, t := range cut {
			t.held--
			t.nudge()
		}
	}
	for {
		var busy []string
		for _, t := range cut {
			if t.busy && t.placedLocked() {
				busy = append(busy, t.Name)
			}
		}
		if len(busy) == 0 {
			break
		}
		turned := e.turned
		e.mu.Unlock()
		select {
		case <-turned:
		case <-ctx.Done():
		}
		e.mu.Lock()
		if ctx.Err() != nil {
			letGoLocked()
			return nil, nil, fmt.Errorf("calls of triggers have not returned (%s): %w", strings.Join(busy, ", "), context.Cause(ctx))
		}
	}
	return e.positionsLocked(plugin), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		letGoLocked()
	}, nil
}

// placedLocked reports whether positions count the first of the queue, which the call that runs is for.
func (t *trigger) placedLocked() bool {
	return t.engine.o.Backlog != nil || len(t.queue) > 0 && isLetter(t.queue[0])
}

// Positions returns up to where the triggers of a plugin have come.
func (e *Engine) Positions(plugin string) Positions {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.positionsLocked(plugin)
}

func (e *Engine) positionsLocked(plugin string) Positions {
	at := Positions{}
	for _, t := range e.writersOfLocked(plugin) {
		if e.o.Backlog != nil {
			at[t.Name] = t.cursor
		}
		if n := t.letters.handed.Load(); n > 0 {
			at[letterPosition(t.Name)] = n
		}
	}
	return at
}

func (e *Engine) writersOfLocked(plugin string) (of []*trigger) {
	for _, t := range e.writers {
		if t.key.Plugin == plugin {
			of = append(of, t)
		}
	}
	return of
}

// Of returns what is saved of one plugin's triggers as positions.
func (s Saved) Of(plugin string) Positions {
	at := Positions{}
	for _, t := range s.Triggers {
		if t.Plugin != plugin {
			continue
		}
		if t.Cursor != 0 {
			at[t.Name] = t.Cursor
		}
		if t.Letters != 0 {
			at[letterPosition(t.Name)] = t.Letters
		}
	}
	return at
}

// Restored has a plugin's triggers go on from where its state was when the positions were taken. Nothing of the plugin serves yet. A
// trigger that isn't among them goes on from where its writes are still needed.
func (e *Engine) Restored(plugin string, at Positions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.writersOfLocked(plugin) {
		if e.o.Backlog != nil {
			from, known := at[t.Name]
			if !known {
				from = t.kept
			}
			from = min(from, e.o.Backlog.End())
			t.cursor, t.kept = from, from
			t.rewindLocked(from)
		}
		t.takeBackLocked(at[letterPosition(t.Name)])
		e.changedLocked()
	}
}

// Checkpointed says that the state of a plugin which has these writes outlasts the process.
func (e *Engine) Checkpointed(plugin string, at Positions) {
	e.mu.Lock()
	of := e.writersOfLocked(plugin)
	for _, t := range of {
		if seq, has := at[t.Name]; has {
			t.kept = max(t.kept, seq)
		}
	}
	e.mu.Unlock()
	for _, t := range of {
		t.forgetLetters(at[letterPosition(t.Name)])
	}
	e.release()
}

// release releases what no trigger needs any more, and asks for checkpoints if that isn't enough.
func (e *Engine) release() {
	if e.o.Backlog == nil {
		return
	}
	upTo, last := e.o.Backlog.End(), "" // before it is found who needs what: a new trigger begins later
	e.mu.Lock()
	for _, t := range e.writers {
		if t.kept < upTo {
			upTo, last = t.kept, t.key.Plugin
		}
	}
	e.mu.Unlock()
	if err := e.o.Backlog.Release(upTo); err != nil {
		e.o.Logger.Warn("acknowledged writes that are handled can't be removed from the disk", "err", err)
	}
	if last != "" && e.o.Backlog.Crowded() && e.o.Checkpoint != nil {
		e.o.Checkpoint(last)
	}
}
