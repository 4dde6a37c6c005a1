package triggers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
)

// Saved is what outlasts a process: it is in state.json, and goes along in a handover.
type Saved struct {
	Triggers []SavedTrigger `json:"triggers"`
}

// SavedTrigger is what is saved of one trigger.
type SavedTrigger struct {
	Key
	Added *Trigger `json:"added,omitempty"` // if it was added by command

	// Disabled says why it is disabled, and Enabled that it isn't although the configuration disables it.
	Disabled string `json:"disabled,omitempty"`
	Enabled  bool   `json:"enabled,omitempty"`

	Cursor  uint64    `json:"cursor,omitempty"`  // the last number of a write that is handled
	Kept    uint64    `json:"kept,omitempty"`    // the last one that isn't needed after a crash
	Aside   uint64    `json:"aside,omitempty"`   // the last one that is put aside while the trigger is disabled
	Letters uint64    `json:"letters,omitempty"` // the number of the last letter that was delivered
	Due     time.Time `json:"due,omitzero"`      // the time that is to be called for
	Last    time.Time `json:"last,omitzero"`     // the last that was called for or skipped
	Missed  int       `json:"missed,omitempty"`  // skipped since then
	Failed  int       `json:"failed,omitempty"`  // attempts for Due
	Counts  Counts    `json:"counts"`
}

func (t *trigger) saveLocked() SavedTrigger {
	s := SavedTrigger{
		Key: t.key, Cursor: t.cursor, Kept: t.kept, Aside: t.aside, Due: t.due, Last: t.last, Missed: t.missed, Failed: t.failed, Counts: t.countsLocked(),
		Letters: t.letters.handed.Load(), Disabled: t.disabled, Enabled: t.disabled == "" && t.Trigger.Disabled,
	}
	if !t.engine.keeps(t.key.Plugin) {
		s.Kept = t.cursor
	}
	if !t.spec.Scheduled() {
		s.Last, s.Failed = time.Time{}, 0 // what is in the queue isn't saved
	}
	if t.origin == byCommand {
		added := t.Trigger
		s.Added = &added
	}
	return s
}

// restoreLocked is saveLocked's counterpart. With rejoin the time since then counts as a pause: what passed is caught up with.
// Otherwise no server ran.
func (t *trigger) restoreLocked(s SavedTrigger, rejoin bool) {
	t.Counts = s.Counts
	if t.engine.o.Backlog != nil && s.Cursor != 0 {
		end := t.engine.o.Backlog.End()
		t.cursor, t.kept, t.aside = min(s.Cursor, end), min(s.Kept, end), s.Aside
		t.read = t.cursor
	}
	t.letters.handed.Store(max(t.letters.handed.Load(), s.Letters))
	t.requests.Store(s.Counts.Runs)
	t.missed, t.failed = s.Missed, s.Failed
	if s.Enabled || s.Disabled != "" {
		t.disableLocked(s.Disabled)
	}
	if t.spec.Scheduled() && !s.Last.IsZero() {
		t.last, t.due = s.Last, s.Due
		if !rejoin && t.Trigger.Missed == Skip {
			t.due = time.Time{}
			t.skipLocked(time.Now())
		}
	}
}

// Save returns what is to be saved at the moment.
func (e *Engine) Save() Saved {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saveLocked()
}

func (e *Engine) saveLocked() Saved {
	s := Saved{Triggers: []SavedTrigger{}}
	for _, t := range e.all {
		s.Triggers = append(s.Triggers, t.saveLocked())
	}
	for _, away := range e.saved {
		s.Triggers = append(s.Triggers, away)
	}
	slices.SortFunc(s.Triggers, func(a, b SavedTrigger) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return s
}

// Take has the engine go on where another process has stopped, before Start.
func (e *Engine) Take(saved Saved) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rejoin = true
	for _, s := range saved.Triggers {
		if t := e.all[s.Key]; t != nil {
			t.disableLocked("")
			t.restoreLocked(s, true)
			t.letters.lookAgain()
		} else {
			e.saved[s.Key] = s
		}
	}
}

const (
	stateFolder = "triggers"
	stateFile   = "state.json"
	stateMode   = 0o600

	// saveDelay is how long a change waits for others: what is lost with the process is that of the last second.
	saveDelay = time.Second
)

// Load reads what was saved in the store.
func Load(folder func(string) *generations.Folder) (s Saved, err error) {
	text, err := os.ReadFile(folder(stateFolder).Path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return Saved{}, fmt.Errorf("read the triggers' state: %w", err)
	}
	return s, nil
}

// changedLocked has the state saved soon.
func (e *Engine) changedLocked() {
	if e.dirty == nil && e.phase != ended && e.phase != idle {
		e.dirty = time.AfterFunc(saveDelay, func() { e.save(false) })
	}
}

// save saves the state now. Not while the engine is paused: Resume has it saved, or the next process does. After the end that is done once,
// as the last thing. Before, an error is told, by the log and by Status, and saving is tried again until it succeeds: whoever has changed
// something can go on.
func (e *Engine) save(last bool) error {
	e.saving.Lock()
	defer e.saving.Unlock()
	e.mu.Lock()
	e.dirty = nil
	if (e.phase == paused || e.phase == ended) && !last {
		e.mu.Unlock()
		return nil
	}
	s := e.saveLocked()
	e.writing = true
	e.mu.Unlock()
	err := e.o.Folder(stateFolder).WriteFile(stateFile, stateMode, func(w io.Writer) error { return json.NewEncoder(w).Encode(s) })
	e.mu.Lock()
	e.writing = false
	e.noteSavedLocked(err)
	e.tellLocked()
	if err != nil || e.o.Backlog == nil {
		e.mu.Unlock()
		return err
	}
	for _, saved := range s.Triggers {
		if t := e.all[saved.Key]; t != nil {
			t.kept = max(t.kept, saved.Kept)
		}
	}
	e.mu.Unlock()
	e.release()
	return nil
}

// noteSavedLocked notes what came of saving. What couldn't be saved is tried again soon.
func (e *Engine) noteSavedLocked(err error) {
	failed := e.unsaved != ""
	switch {
	case err != nil:
		if e.unsaved = err.Error(); !failed {
			e.o.Logger.Error("the triggers' state can't be saved, and is tried again: a restart goes back to what was saved before", "err", err)
		}
		e.changedLocked()
	case failed:
		e.unsaved = ""
		e.o.Logger.Info("the triggers' state is saved again")
	}
}

// Unsaved returns why the state couldn't be saved when that was last tried, or "".
func (e *Engine) Unsaved() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsaved
}
