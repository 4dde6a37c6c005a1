package sohost

import (
	"errors"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/state"
)

// CheckpointStatus describes the checkpoints of one plugin.
type CheckpointStatus struct {
	// Written is when the last checkpoint was written, by this process or one before, and Bytes its size. Both are zero if
	// there is none.
	Written time.Time `json:"written,omitzero"`
	Bytes   int64     `json:"bytes,omitempty"`

	// Verified reports whether a checkpoint of the generation that serves was read again while it was written, which is done
	// for the first one of each.
	Verified bool `json:"verified,omitempty"`

	// The last attempt that succeeded: Took is how long it took in all, Held how long new callers were held back, and Waited
	// describes those who were; nil if nobody was. All are zero for a checkpoint of an earlier process.
	Took   time.Duration `json:"took,omitempty"`
	Held   time.Duration `json:"held,omitempty"`
	Waited *Waited       `json:"waited,omitempty"`

	// Due is when the next one is attempted.
	Due time.Time `json:"due,omitzero"`

	// Failed describes the attempts since the last one that succeeded; nil if there were none. Written stays what a restart
	// restores.
	Failed *CheckpointFailure `json:"failed,omitempty"`

	// Lost says why the plugin has begun without state though there were checkpoints: neither of them could be read. They
	// are kept under other names. It is empty once a new checkpoint is written.
	Lost string `json:"lost,omitempty"`
}

// CheckpointFailure describes attempts at a checkpoint that failed, one after the other.
type CheckpointFailure struct {
	Reason   string        `json:"reason"`
	Since    time.Time     `json:"since"`    // when the first of them was made
	Last     time.Time     `json:"last"`     // when the last of them was made
	Attempts int           `json:"attempts"` // how many there were
	Held     time.Duration `json:"held"`     // how long new callers were held back for the last of them
}

// checkpoints is what a plugin knows about its checkpoints. Everything is guarded by plugin.mu.
type checkpoints struct {
	status CheckpointStatus
	overs  int  // attempts in a row that held callers back for too long
	calls  bool // the last of them did because of calls that ran on

	// unwritable is why the state of that generation couldn't be written when it was last tried, as far as the state itself
	// was the reason; nil if it could be written, or wasn't tried.
	unwritable error
	of         *loaded
}

// attempt is one attempt at a checkpoint.
type attempt struct {
	of      *loaded
	begun   time.Time
	held    time.Duration
	waited  *Waited
	written checkpoint.Written
}

// noteAttempt records how an attempt went.
func (p *plugin) noteAttempt(a attempt, err error) {
	h := p.host
	now := time.Now()
	p.mu.Lock()
	c := &p.checkpoints
	before := c.status.Failed
	var over *overPauseError
	c.calls = errors.As(err, &over) && over.calls
	if over != nil || a.held > h.opts.CheckpointPause {
		c.overs++
	} else {
		c.overs = 0
	}
	if err == nil {
		c.status = CheckpointStatus{
			Written: now, Bytes: a.written.Bytes, Verified: a.written.Verified || c.of == a.of && c.status.Verified,
			Took: now.Sub(a.begun), Held: a.held, Waited: a.waited,
		}
	} else {
		f := CheckpointFailure{Reason: err.Error(), Since: a.begun, Last: a.begun, Attempts: 1, Held: a.held}
		if before != nil {
			f.Since, f.Attempts = before.Since, before.Attempts+1
		}
		c.status.Failed = &f
	}
	c.status.Due = now.Add(h.checkpointPause(c.overs))
	p.mu.Unlock()
	p.noteVerdict(a.of, err)
	e := generations.Event{Kind: generations.KindCheckpoint, Plugin: p.Name, To: a.of.id}
	switch {
	case err == nil && before == nil: // one a minute
		h.tell(e)
		return
	case err == nil:
		e.Detail = "written again"
	case before != nil: // the history has the first
		return
	default:
		e.Kind, e.Detail = generations.KindCheckpointFailed, p.stays()+": "+err.Error()
	}
	h.ledger.Note(e)
}

// noteNothing records that there was nothing to write, and puts the next attempt off as after any other.
func (p *plugin) noteNothing() {
	p.mu.Lock()
	p.checkpoints.calls, p.checkpoints.overs = false, 0
	p.checkpoints.status.Due = time.Now().Add(p.host.checkpointPause(0))
	p.mu.Unlock()
}

// stays says what a restart goes back to after a checkpoint that failed.
func (p *plugin) stays() string {
	p.mu.Lock()
	written := !p.checkpoints.status.Written.IsZero()
	kept := slices.ContainsFunc(p.kept, func(k *kept) bool { return k.File != "" })
	p.mu.Unlock()
	switch {
	case written, p.host.checkpoints.File(p.Name) != "":
		return "the one before stays"
	case kept:
		return "there is none before, and a restart goes back to what is kept for a rollback"
	}
	return "there is none before, so a restart loses the state"
}

// noteVerdict records whether the state of a generation can be written, as far as err, of an attempt, tells.
func (p *plugin) noteVerdict(of *loaded, err error) {
	var over *overPauseError
	var panicked *PanicError
	p.mu.Lock()
	c := &p.checkpoints
	could := c.of != of || c.unwritable == nil
	switch {
	case err == nil:
		c.of, c.unwritable = of, nil
	case errors.As(err, &over):
	case errors.Is(err, state.ErrRefused), errors.Is(err, state.ErrLimit), errors.As(err, &panicked):
		c.of, c.unwritable = of, err
	}
	can := c.of != of || c.unwritable == nil
	p.mu.Unlock()
	if can && !could {
		p.host.retired.up() // a handover that it has held up is possible now
	}
}

// unwritable returns why the state of the generation that serves can't be written to a stream, as far as is known without
// looking at it.
func (p *plugin) unwritable(of *loaded) error {
	if of.Image().Wants().Value != nil {
		if err := of.Uncheckpointable(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.checkpoints.of == of {
		return p.checkpoints.unwritable
	}
	return nil
}

// noteRestored records what a boot has found.
func (p *plugin) noteRestored(r checkpoint.Restored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checkpoints.status.Written, p.checkpoints.status.Bytes, p.checkpoints.status.Lost = r.Time, r.Bytes, r.Lost
	if r.Lost != "" {
		p.host.ledger.Note(generations.Event{Kind: generations.KindCheckpointFailed, Plugin: p.Name, Detail: r.Lost})
	}
}

// checkpointStatus returns what Status shows. The caller holds p.mu.
func (p *plugin) checkpointStatus() *CheckpointStatus {
	g := p.serving()
	if g == nil || p.host.opts.CheckpointInterval < 0 || !g.Value().Checkpointable() {
		return nil
	}
	s := p.checkpoints.status
	s.Verified = s.Verified && p.checkpoints.of == g.Value()
	return &s
}
