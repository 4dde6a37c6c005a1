package sohost

import "time"

// checkpointRegularly takes a checkpoint of each plugin when it is due, one after the other.
func (h *Host) checkpointRegularly() {
	if h.opts.CheckpointInterval < 0 {
		return
	}
	h.tasks.Go(func() {
		for {
			next := time.Now().Add(h.opts.CheckpointInterval)
			for _, p := range h.plugins() {
				if p.isBooting() { // it has nothing to write, and the boot owns it
					continue
				}
				due := p.checkpointDue()
				if due.After(time.Now()) {
					next = earlier(next, due)
					continue
				}
				if err := p.checkpoint(h.lifetime); err != nil && h.lifetime.Err() == nil {
					h.log.Warn("checkpoint: "+p.stays(), "plugin", p.Name, "err", err)
				}
				next = earlier(next, p.checkpointDue())
			}
			select {
			case <-time.After(max(time.Millisecond, time.Until(next))):
			case <-h.dueSooner:
			case <-h.lifetime.Done():
				return
			}
		}
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// soonShare divides the interval to give how soon after a boot or a reload a checkpoint is taken: 5 s with the default.
const soonShare = 12

// quietShare divides the interval to give how often a plugin whose calls have held an attempt up is looked at: once in a
// second with the default.
const quietShare = 60

// mostBackoff is how often the interval is doubled, at most, while attempts hold callers back for too long.
const mostBackoff = 6

// checkpointPause returns the time until the next checkpoint after so many attempts in a row that held callers back for too
// long. It is counted from the end of an attempt, so that callers don't wait all the time.
func (h *Host) checkpointPause(overs int) time.Duration {
	return h.opts.CheckpointInterval << min(overs, mostBackoff)
}

// checkpointDue returns when the plugin's next checkpoint is due. The first one of a process is due soon, or at once if
// processes have crashed so often that none was written for an interval.
func (p *plugin) checkpointDue() time.Time {
	h := p.host
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.checkpoints.calls { // as soon as none runs, an attempt holds nobody back
		if g := p.serving(); g != nil && g.Leases() == 0 {
			return time.Now()
		}
		return earlier(p.checkpoints.status.Due, time.Now().Add(h.opts.CheckpointInterval/quietShare))
	}
	s := &p.checkpoints.status
	if s.Due.IsZero() {
		now := time.Now()
		s.Due = now.Add(h.opts.CheckpointInterval / soonShare)
		if at := s.Written.Add(h.opts.CheckpointInterval); !s.Written.IsZero() && at.Before(s.Due) {
			s.Due = at
		}
		if s.Due.Before(now) {
			s.Due = now
		}
	}
	return s.Due
}

// checkpointNow makes a plugin's checkpoint due, unless there is none to take.
func (h *Host) checkpointNow(name string) {
	p, err := h.plugin(name)
	if err != nil || h.opts.CheckpointInterval < 0 {
		return
	}
	p.mu.Lock()
	p.checkpoints.status.Due = time.Now()
	p.mu.Unlock()
	h.dueSooner.up()
}

// checkpointSoon makes a checkpoint due soon, because the plugin's state has come to another generation.
func (p *plugin) checkpointSoon() {
	h := p.host
	if h.opts.CheckpointInterval < 0 {
		return
	}
	soon := time.Now().Add(h.opts.CheckpointInterval / soonShare)
	p.mu.Lock()
	c := &p.checkpoints
	c.overs = 0 // the new generation's state may be another
	if c.status.Due.IsZero() || c.status.Due.After(soon) {
		c.status.Due = soon
	}
	p.mu.Unlock()
	h.dueSooner.up()
}
