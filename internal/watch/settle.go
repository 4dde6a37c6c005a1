package watch

import "time"

// settle is the time by which a changed target must have become quiet. The zero value is for a target without changes.
type settle struct {
	first time.Time // of the pending changes
	due   time.Time
}

// touch postpones the end until there were no changes for the time quiet, but no later than limit after the first one.
func (s *settle) touch(now time.Time, quiet, limit time.Duration) {
	if s.first.IsZero() {
		s.first = now
	}
	s.due = now.Add(quiet)
	if last := s.first.Add(limit); s.due.After(last) {
		s.due = last
	}
}

func (s *settle) waiting() bool { return !s.due.IsZero() }

func (s *settle) over(now time.Time) bool { return s.waiting() && !now.Before(s.due) }
