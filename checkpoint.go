package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/state"
)

// checkpoint takes a checkpoint of a plugin that serves, and notes the outcome for Status. Callers wait while the state is
// copied, for Options.CheckpointPause at most, but not while the copy is written.
func (p *plugin) checkpoint(ctx context.Context) error {
	disown, err := p.host.own(ctx, []*plugin{p})
	if err != nil {
		return err
	}
	defer disown()
	return p.checkpointOwned(ctx)
}

// checkpointOwned is checkpoint for a plugin that the caller owns.
func (p *plugin) checkpointOwned(ctx context.Context) error {
	g := newGated(p)
	if g.serves == nil || !g.serves.Value().Checkpointable() {
		p.noteNothing()
		return nil
	}
	a := attempt{of: g.serves.Value(), begun: time.Now()}
	s, at, end, err := g.cutState(ctx)
	a.held, a.waited = g.held(), g.waited(nil)
	if err == nil {
		a.written, err = p.writeCheckpoint(s, at, p.verifier(a.of))
		end()
	}
	p.noteAttempt(a, err)
	p.tellMismatch(a.of)
	if err == nil {
		p.forgetConfirmed()
	}
	return err
}

// tellMismatch logs once for each generation that its Export doesn't return what its Descriptor says. The caller owns the
// plugin.
func (p *plugin) tellMismatch(l *loaded) {
	if why := l.Mismatch(); why != "" && !l.told {
		l.told = true
		p.host.log.Error("a restart may lose the plugin's state", "plugin", p.Name, "generation", l.label, "why", why)
	}
}

// verifier returns what reads the checkpoint of a generation while it is written. It is nil if one of the generation has
// been read before, because what could differ is the generation's types and the limit.
func (p *plugin) verifier(of *loaded) func(io.Reader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.checkpoints.of == of && p.checkpoints.status.Verified {
		return nil
	}
	return func(r io.Reader) error { return of.Verify(r, p.host.opts.StateLimit) }
}

// cutState is copyState between two writes, for which the plugin's triggers wait. at is up to where they are in the copy.
func (g *gated) cutState(ctx context.Context) (s abi.State, at checkpoint.Positions, end func(), err error) {
	h := g.plugin.host
	limited, cancel := h.limit(ctx, h.opts.CheckpointPause, checkpointPause)
	defer cancel()
	at, release, err := h.triggers.Cut(limited, g.plugin.Name)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = &overPauseError{h.opts.CheckpointPause, true, err}
	}
	if err != nil {
		return s, nil, nil, err
	}
	defer release()
	s, end, err = g.copyState(ctx)
	return s, at, end, err
}

// copyState copies the plugin's state, with callers held back and background work stopped unless the plugin exports
// concurrently or its state needs no pause. Both go on when it returns. Callers are held back for Options.CheckpointPause,
// and for what the plugin's own Stop, Export and Start take, which nothing can interrupt. If more time is needed, the error is
// an *overPauseError. end must be called once the copy isn't used any more; it is nil after an error.
func (g *gated) copyState(ctx context.Context) (s abi.State, end func(), err error) {
	h, in := g.plugin.host, g.serves.Value()
	o := state.Options{MaxBytes: h.opts.StateLimit}
	plugins, cancel := h.limit(ctx, h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	left := h.opts.CheckpointPause
	if !in.ConcurrentExport() && !in.NeedsNoPause() {
		if err := g.shut(); err != nil {
			return s, nil, err
		}
		defer func() {
			ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.OpenTimeout, openTimeout)
			defer cancel()
			g.reopen(ctx)
		}()
		begun := time.Now()
		if err := g.drainBriefly(ctx, left/2); err != nil { // the rest is for the copy
			return s, nil, err
		}
		left -= time.Since(begun)
		if err := in.Pause(plugins); err != nil {
			return s, nil, err
		}
	}
	if s, _, err = in.Export(plugins, abi.State{}); err != nil {
		return s, nil, err
	}
	if o.Deadline, _ = plugins.Deadline(); g.gate != nil {
		o.Deadline = time.Now().Add(left * copyShare / 100)
	}
	s, end, err = instance.SnapshotState(s, o)
	if errors.Is(err, state.ErrDeadline) {
		err = &overPauseError{h.opts.CheckpointPause, false, fmt.Errorf("%w; keep it in a keep.Map, which is copied beside the calls, "+
			"or allow more with checkpoint_pause", err)}
	}
	return s, end, err
}

// copyShare is the part of the time left, in percent, that a copy may take. The rest is for letting the callers go on.
const copyShare = 80

// drainBriefly waits for the running calls, while new callers wait for them.
func (g *gated) drainBriefly(ctx context.Context, pause time.Duration) error {
	limited, cancel := g.plugin.host.limit(ctx, pause, checkpointPause)
	defer cancel()
	err := g.serves.Drain(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		which := g.serves.Value().requests.inWords(g.serves.Leases())
		return &overPauseError{g.plugin.host.opts.CheckpointPause, true, fmt.Errorf("%d calls have not returned within half of it%s; "+
			"serve calls that last long from a plugin without state, or keep the state in a single keep.Map, "+
			"which needs no call to return", g.serves.Leases(), inBrackets(which))}
	}
	return err
}

// overPauseError is returned when a checkpoint is given up because callers would have waited for longer than
// Options.CheckpointPause.
type overPauseError struct {
	pause time.Duration
	calls bool // calls that ran on were the reason
	err   error
}

func (e *overPauseError) Error() string {
	return fmt.Sprintf("given up, because callers may wait only %v for it: %v", e.pause, e.err)
}

func (e *overPauseError) Unwrap() error { return e.err }

// checkpointLast writes a checkpoint of an instance that nobody calls any more.
func (p *plugin) checkpointLast(ctx context.Context, in *instance.Instance) error {
	h := p.host
	if h.opts.CheckpointInterval < 0 || !in.Checkpointable() {
		return nil
	}
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	if err := in.Pause(ctx); err != nil {
		return err
	}
	s, _, err := in.Export(ctx, abi.State{})
	if err != nil {
		return err
	}
	_, err = p.writeCheckpoint(s, h.triggers.Positions(p.Name), nil)
	return err
}

// writeCheckpoint writes s, which has the writes up to at, as the plugin's last checkpoint.
func (p *plugin) writeCheckpoint(s abi.State, at checkpoint.Positions, verify func(io.Reader) error) (checkpoint.Written, error) {
	encode := func(w io.Writer) error { return instance.Encode(w, s, p.host.opts.StateLimit) }
	written, err := p.host.checkpoints.Write(p.Name, s, at, encode, verify)
	if err == nil {
		p.host.triggers.Checkpointed(p.Name, at)
	}
	return written, err
}

// restoreCheckpoint gives the candidate's instance the state of the last checkpoint that can be read, if there is one.
// limit is Hooks.Limit.
func (c *candidate) restoreCheckpoint(ctx context.Context, limit limiter) error {
	h := c.plugin.host
	if h.opts.CheckpointInterval < 0 || !c.next.Checkpointable() {
		return nil
	}
	var taken instance.Taken
	hooks := c.hooks(ctx)
	hooks.Limit = limit
	restored, err := h.checkpoints.Restore(c.plugin.Name, c.next.Image().Wants(), c.move.Time, func(r io.Reader) (err error) {
		taken, err = c.next.AcceptStreamWith(ctx, r, c.moveOptions(), hooks)
		return err
	})
	c.plugin.noteRestored(restored)
	c.restoredAt = restored.At
	if err != nil || restored.From == checkpoint.None {
		return err
	}
	c.move.State = c.moved(taken)
	c.move.State.Way, c.move.State.Age = WayCheckpoint, max(0, time.Since(restored.Time)) // the clock may have been set back
	if restored.From == checkpoint.Before {
		h.log.Warn("restored the checkpoint before the last", "plugin", c.plugin.Name, "age", c.move.State.Age)
	}
	return nil
}

// checkpointCopy writes a state received from another process as the plugin's last checkpoint. Unless verify is nil, it reads the copy
// as it is written; otherwise the state that serves was decoded from it.
func (p *plugin) checkpointCopy(m StateMove, at checkpoint.Positions, copied io.Reader, verify func(io.Reader) error) error {
	a := attempt{of: p.serving().Value(), begun: time.Now()}
	of := abi.State{Schema: m.Schema, Version: m.Version}
	written, err := p.host.checkpoints.Write(p.Name, of, at, func(w io.Writer) error {
		_, err := io.Copy(w, copied)
		return err
	}, verify)
	if err == nil {
		p.host.triggers.Checkpointed(p.Name, at)
	}
	written.Verified = err == nil
	a.written = written
	p.noteAttempt(a, err)
	return err
}
