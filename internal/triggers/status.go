package triggers

import (
	"slices"
	"time"
)

// Counts are a trigger's counters since it was added.
type Counts struct {
	Runs     int64 `json:"runs"`      // calls that were made
	Errors   int64 `json:"errors"`    // of which failed
	Skipped  int64 `json:"skipped"`   // times
	PassedBy int64 `json:"passed_by"` // writes that came while it was disabled
	Refused  int64 `json:"refused"`   // writes that were refused because its queue was full

	LastRun   time.Time     `json:"last_run,omitzero"`
	LastTook  time.Duration `json:"last_took,omitempty"` // in nanoseconds
	LastError string        `json:"last_error,omitempty"`
	LastFault time.Time     `json:"last_fault,omitzero"` // when LastError was
}

// State is what a trigger is doing.
type State string

// The states.
const (
	Ready    State = "ready"    // it waits for what it is for
	Running  State = "running"  // a call runs
	Retrying State = "retrying" // the last attempt has failed, and the next one follows
	Waiting  State = "waiting"  // the plugin can't be called at the moment
	Disabled State = "disabled"
)

// Status describes a trigger at one moment.
type Status struct {
	Plugin string `json:"plugin"`
	Trigger
	Origin string `json:"origin"` // "config" or "command"
	State  State  `json:"state"`
	Why    string `json:"why,omitempty"` // it is disabled, or waits

	// What waits for the plugin: writes, with rows and about how many bytes, the oldest since when.
	Writes int       `json:"writes"`
	Rows   int       `json:"rows"`
	Bytes  int64     `json:"bytes"`
	Oldest time.Time `json:"oldest,omitzero"`

	// Since is when the call that runs has begun.
	Since time.Time `json:"since,omitzero"`

	// Next is when the next call is due.
	Next time.Time `json:"next,omitzero"`

	Cursor  uint64 `json:"cursor,omitempty"`  // the number of the last write that is handled
	Letters int    `json:"letters,omitempty"` // what was put aside
	Unsaved string `json:"unsaved,omitempty"` // why the state of all triggers can't be saved: a restart goes back to what was saved before

	Counts
}

// noteLocked counts a call. It reports whether it has failed and the one before has not, or that it was the trigger's last.
func (t *trigger) noteLocked(v verdict, err error, took time.Duration) (news bool) {
	if v == postponed || v == giveUp {
		return false
	}
	news = err != nil && !t.failing || v == disable
	t.failing = err != nil
	t.Runs++
	t.LastRun, t.LastTook = t.began, took
	if err != nil {
		t.Errors++
		t.LastError, t.LastFault = err.Error(), time.Now()
	}
	return news
}

// countsLocked returns the counters.
func (t *trigger) countsLocked() Counts {
	c := t.Counts
	if t.spec.Kind == Request {
		c.Runs = t.requests.Load()
	}
	return c
}

// Status returns the triggers, ordered by plugin and name.
func (e *Engine) Status() []Status {
	e.mu.Lock()
	all := make([]*trigger, 0, len(e.all))
	for _, t := range e.all {
		all = append(all, t)
	}
	slices.SortFunc(all, compareKeys)
	found := make([]Status, 0, len(all))
	for _, t := range all {
		found = append(found, t.statusLocked())
	}
	e.mu.Unlock()
	for i, t := range all { // may look at the disk
		found[i].Letters = t.letters.count()
	}
	return found
}

func (t *trigger) statusLocked() Status {
	s := Status{
		Plugin: t.key.Plugin, Trigger: t.Trigger, Origin: string(t.origin), State: Ready, Writes: len(t.queue), Rows: t.rows, Bytes: t.bytes,
		Cursor: t.cursor, Counts: t.countsLocked(), Unsaved: t.engine.unsaved,
	}
	s.Trigger.Disabled = t.disabled != ""
	if len(t.queue) > 0 {
		s.Oldest = t.queue[0].since
	}
	switch {
	case t.busy:
		s.State, s.Since = Running, t.began
	case t.disabled != "":
	case t.waits > 0:
		s.State, s.Why = Waiting, t.waiting
	case t.failed > 0:
		s.State = Retrying
	}
	if t.unread != "" {
		s.Why = "acknowledged writes can't be read or put aside: " + t.unread
	}
	if t.disabled != "" {
		s.State, s.Why = Disabled, t.disabled
		return s
	}
	switch now := time.Now(); {
	case t.failed > 0 || t.waits > 0:
		s.Next = t.notBefore
	case t.spec.Scheduled() && !t.due.IsZero():
		s.Next = t.due
	case t.spec.Scheduled():
		s.Next = t.spec.Next(now)
	}
	return s
}
