package watch

import "time"

// pollInstead makes the loop poll a target.
func (l *loop) pollInstead(t *Target, reason string) {
	l.claim(t, nil)
	if old := t.status.Load(); old == nil || old.Reason != reason {
		l.Logger.Info("polling", "path", t.path, "interval", l.PollInterval, "reason", reason)
		t.status.Store(&Status{Mode: "poll", Reason: reason})
	}
	if !t.polled {
		t.polled, t.seen = true, t.lookAll()
	}
	if l.nextPoll.IsZero() {
		l.nextPoll = time.Now().Add(l.PollInterval)
	}
}

// poll looks at every polled target. If there is none, polling ends.
func (l *loop) poll(now time.Time) {
	l.nextPoll = time.Time{}
	for t := range l.targets {
		if !t.polled {
			continue
		}
		l.nextPoll = now.Add(l.PollInterval)
		found := t.lookAll()
		for name, sig := range found {
			if t.seen[name] != sig {
				l.touch(t, name, signature{}, now)
			}
		}
		for name := range t.seen {
			if _, still := found[name]; !still {
				l.touch(t, name, signature{}, now)
			}
		}
		t.seen = found
	}
}
