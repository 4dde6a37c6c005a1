package watch

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// touch records a change of one entry, or of any entry if the name is empty.
//
// A regular file that has just been created is unfinished: CLOSE_WRITE comes once it has been written, and an earlier look
// would see half of it. Only a file that was written elsewhere and then linked to its name gets no CLOSE_WRITE. So an
// unfinished file waits for MaxSettle. If it is empty then, or has changed since, it is ignored, because CLOSE_WRITE will come.
// If the writer of a new file pauses for all of MaxSettle, there is an event too early, and another once it closes the file.
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

// settled turns the recorded changes of a target into its event.
func (l *loop) settled(t *Target) {
	pending, whole := t.pending, t.whole
	t.quiet, t.pending, t.whole = settle{}, nil, false
	if t.polled {
		// The change may have removed what made inotify impossible.
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

// enqueue queues an event, or merges it into the target's event that still waits.
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

// worthALook reports whether an entry may have news; see touch about unfinished. For a file target, a missing file is not news.
func (t *Target) worthALook(name string, unfinished signature) bool {
	sig, err := look(t.entryPath(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t.isDir()
	case err != nil:
		return true // the receiver gets the same error, and can report it
	}
	return unfinished == signature{} || (sig == unfinished && sig.size > 0)
}
