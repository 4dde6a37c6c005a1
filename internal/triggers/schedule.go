package triggers

import "time"

// scheduleLocked returns how long it is until the next time. It is 0 if one is due, which due then is; or if a letter is in the queue.
func (t *trigger) scheduleLocked(now time.Time) time.Duration {
	if len(t.queue) > 0 && t.due.IsZero() {
		return 0
	}
	if t.last.After(now.Add(time.Minute)) { // the clock was set back
		t.last = now
	}
	from := t.last
	if !t.due.IsZero() {
		if t.waits == 0 {
			return 0
		}
		from = t.due // the plugin can't be called: only the newest time is of interest
	}
	n, newest := t.spec.Passed(from, now)
	switch {
	case n > 0 && !t.due.IsZero():
		t.missed, t.Skipped, t.due = t.missed+n, t.Skipped+int64(n), newest
	case n > 0:
		t.missed, t.Skipped, t.due = t.missed+n-1, t.Skipped+int64(n-1), newest
	case t.due.IsZero():
		next := t.spec.Next(now)
		if t.last.After(now) {
			next = t.spec.Next(t.last)
		}
		if next.IsZero() {
			return -1
		}
		return max(next.Sub(now), 1)
	}
	return 0
}

// calledLocked notes that the call for the due time is over. Times that have passed meanwhile are skipped.
func (t *trigger) calledLocked(now time.Time) {
	t.last, t.due, t.missed = t.due, time.Time{}, 0
	t.skipLocked(now)
	t.engine.changedLocked()
}

// skipLocked skips all times that have passed.
func (t *trigger) skipLocked(now time.Time) {
	if n, newest := t.spec.Passed(t.last, now); n > 0 {
		t.missed, t.Skipped, t.last = t.missed+n, t.Skipped+int64(n), newest
	}
}
