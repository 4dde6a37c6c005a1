package watch

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// touch notes a change of one entry, or with an empty name of any.
//
// A regular file that has just been made is unfinished: CLOSE_WRITE comes when it has been written, and to look before
// means to see half of it. Only a file that was written elsewhere and then linked to its name gets no CLOSE_WRITE. So it
// waits for as long as anything waits, and is given up then if it is empty or has been changed since: CLOSE_WRITE will come.
// A writer of a new file that pauses for all of MaxSettle is looked at too early, and again when it has closed the file.
func (l *loop) touch(t *Target, entry string, unfinished signature, now time.Time) {
	quiet := l.Settle
	switch {
	case t.polled:
		quiet = max(l.Settle, l.PollInterval)
	case unfinished != signature{}:
		quiet = l.MaxSettle
	}
	t.quiet.touch(now, quiet, max(quiet, l.MaxSettle))
	if entry == "" {
		t.whole = true
		return
	}
	if t.pending == nil {
		t.pending = make(map[string]signature)
	}
	t.pending[entry] = unfinished
}

// settled turns what was noted of a target into its event.
func (l *loop) settled(t *Target) {
	pending, whole := t.pending, t.whole
	t.quiet, t.pending, t.whole = settle{}, nil, false
	if t.polled {
		// Whatever was in inotify's way may be gone with the change.
		l.arm(t)
	}
	ev := Event{Path: t.path}
	if whole {
		l.enqueue(t, ev)
		return
	}
	for name, unfinished := range pending {
		if t.worthALook(name, unfinished) {
			ev.Names = append(ev.Names, name)
		}
	}
	switch {
	case len(ev.Names) == 0:
		return
	case !t.isDir():
		ev.Names = nil
	}
	slices.Sort(ev.Names)
	l.enqueue(t, ev)
}

// enqueue adds to the event that waits, if there is one.
func (l *loop) enqueue(t *Target, ev Event) {
	switch {
	case t.out == nil:
		t.out = &ev
		l.ready = append(l.ready, t)
	case len(t.out.Names) == 0 || len(ev.Names) == 0:
		t.out.Names = nil
	default:
		names := slices.Concat(t.out.Names, ev.Names)
		slices.Sort(names)
		t.out.Names = slices.Compact(names)
	}
}

// worthALook says whether there may be news behind a name: see touch for unfinished. What isn't there is none for a file.
func (t *Target) worthALook(name string, unfinished signature) bool {
	sig, err := look(t.entryPath(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t.isDir()
	case err != nil:
		return true // whoever looks finds the same error, and can tell it
	}
	return unfinished == signature{} || (sig == unfinished && sig.size > 0)
}
