package events

import (
	"encoding/json"
	"time"
)

// Saved is a Log in JSON, for the program that takes over.
type Saved struct {
	Last   uint64            `json:"last"`
	Events []json.RawMessage `json:"events"`
	Counts []savedCount      `json:"counts"`
	Spent  []savedStep       `json:"spent"`
}

type savedStep struct {
	Step
	Time time.Duration
}

type savedCount struct {
	Count
	N uint64
}

// Save returns what Restore needs.
func (l *Log) Save() *Saved {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &Saved{Last: l.last}
	for _, e := range l.entries {
		s.Events = append(s.Events, e.JSON)
	}
	for c, n := range l.counts {
		s.Counts = append(s.Counts, savedCount{c, n})
	}
	for step, d := range l.spent {
		s.Spent = append(s.Spent, savedStep{step, d})
	}
	return s
}

// Restore makes an empty Log what another one was. It does nothing if s is nil. An event that it doesn't understand is left out.
func (l *Log) Restore(s *Saved) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range s.Events {
		var e Event
		if json.Unmarshal(text, &e) == nil && e.Seq > l.last {
			l.addLocked(e)
		}
	}
	l.last = max(l.last, s.Last)
	clear(l.counts)
	for _, c := range s.Counts {
		l.counts[c.Count] = c.N
	}
	clear(l.spent)
	for _, d := range s.Spent {
		l.spent[d.Step] = d.Time
	}
}
