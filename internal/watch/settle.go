package watch

import "time"

// settle is the time until which a target that was changed is given to become quiet. The zero value is that of a target
// at rest.
type settle struct {
	first time.Time // the first change of those that wait
	due   time.Time
}

// touch puts the end off until there were no more changes for quiet, but never beyond limit after the first one.
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
