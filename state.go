package sohost

import (
	"context"
	"errors"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/state"
)

// hasState reports whether a generation with state serves, which the candidate takes, converts or drops.
func (c *candidate) hasState() bool { return c.old.serves != nil && c.old.serves.Value().Stateful() }

// movesState reports whether state moves from the old generation to the candidate.
func (c *candidate) movesState() bool { return c.hasState() && c.next.Stateful() }

// takeState gives the candidate's instance its state: the old generation's, or what was kept or checkpointed last if
// nothing with state serves.
func takeState(ctx context.Context, c *candidate) error {
	return c.step(PhaseState, func() error {
		if c.exclusive() { // before any Start of the batch, and whether or not there is state
			if err := c.old.serves.Value().Pause(ctx); err != nil {
				return err
			}
		}
		switch {
		case c.movesState():
			return c.moveState(ctx)
		case c.hasState():
			return c.dropState(ctx)
		case c.next.Stateful():
			err := c.restore(ctx)
			if err == nil && c.old.serves == nil { // what served handled its writes
				c.plugin.host.triggers.Restored(c.plugin.Name, c.restoredAt)
			}
			return err
		}
		return nil
	})
}

// moveState takes the state from the old generation and gives it to the candidate's instance. If the value was copied,
// the old generation still has its own, which nobody else changes; if the value itself was passed on, both have the
// same one.
func (c *candidate) moveState(ctx context.Context) error {
	old := c.old.serves.Value()
	if c.old.gate != nil {
		if err := old.Pause(ctx); err != nil {
			return err
		}
	}
	own := c.ownKept()
	if !c.ordered() {
		own = nil
	}
	if own != nil && !old.TakesBack(c.next.Image().Wants()) {
		return c.takeOwn(ctx, own)
	}
	given, downgraded, err := old.Export(ctx, c.next.Image().Wants())
	if err != nil {
		return err
	}
	c.plugin.tellMismatch(old)
	taken, err := c.next.AcceptWith(ctx, given, c.moveOptions(), true, c.hooks(ctx))
	if err != nil {
		if own == nil || !unmovable(err) {
			return err
		}
		c.plugin.host.log.Warn("the newer state can't be moved back", "plugin", c.plugin.Name, "err", err)
		return c.takeOwn(ctx, own)
	}
	c.move.State = c.moved(taken)
	if downgraded {
		c.move.State.Way = WayDowngrade
	}
	// A field that has gone, and whatever an Import has left out, is in the old value only. If the value itself was passed
	// on, nothing is lost.
	if taken.GiversIsIntact() {
		c.keeps(given)
	}
	return nil
}

// ordered reports whether someone has ordered to go back. Only then may the candidate get its own kept state as it is, without
// what happened since.
func (c *candidate) ordered() bool { return c.rollback || c.back || c.loseState }

// unmovable reports whether an error of a move means that the host can't turn one type into the other. A plugin that fails to
// take a state, by a panic for example, refuses its image.
func unmovable(err error) bool {
	var panicked *PanicError
	return errors.Is(err, state.ErrRefused) && !errors.As(err, &panicked)
}

// takeOwn gives the candidate its own kept state, and keeps the newer one, which it replaces.
func (c *candidate) takeOwn(ctx context.Context, own *kept) error {
	if err := c.takeKept(ctx, own, nil); err != nil {
		return err
	}
	given, _, err := c.old.serves.Value().Export(ctx, abi.State{})
	if err != nil { // what is lost by this was to be lost
		c.plugin.host.log.Warn("the newer state can't be kept", "plugin", c.plugin.Name, "err", err)
		return nil
	}
	c.keeps(given)
	return nil
}

// keeps notes that the old generation's state is to be kept once the candidate has flipped.
func (c *candidate) keeps(given abi.State) {
	c.kept = &kept{Kept: checkpoint.Kept{Image: c.move.From, Time: time.Now()}, given: given}
}

// dropState keeps the state of the old generation for a rollback, because the candidate takes none. It was ordered, so
// a state that can't be had any more doesn't hold it up.
func (c *candidate) dropState(ctx context.Context) error {
	h, old := c.plugin.host, c.old.serves.Value()
	has := old.Image().Wants()
	c.move.State = StateMove{Way: WayDropped, Schema: has.Schema, Version: has.Version, Lost: []string{lostEverything}}
	h.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.Name,
		"from", c.move.From.Short(), "to", c.move.To.Short())
	err := c.undrained
	if err == nil && c.old.gate != nil {
		err = old.Pause(ctx)
	}
	var given abi.State
	if err == nil {
		given, _, err = old.Export(ctx, abi.State{})
	}
	if err != nil {
		h.log.Error("the dropped state can't be kept: a rollback won't bring it back", "plugin", c.plugin.Name, "err", err)
		c.move.State.Unkept = err.Error()
		return nil
	}
	c.keeps(given)
	return nil
}

// restore gives the candidate's instance the newest state that is kept or checkpointed and that it takes, because nothing
// with state serves. If there is none, the instance starts with the state that New gave it.
func (c *candidate) restore(ctx context.Context) error {
	h := c.plugin.host
	// A large state takes its time to be decoded, and nobody can be served without it; what is older must not be taken in its
	// place for that. So only the plugin's part is limited.
	ctx = context.WithoutCancel(ctx)
	limit := func() (context.Context, context.CancelFunc) { return h.limit(ctx, h.opts.DrainTimeout, drainTimeout) }
	if h.opts.CheckpointInterval >= 0 || c.old.serves != nil {
		written := h.checkpoints.Written(c.plugin.Name)
		for _, k := range c.plugin.kept {
			if !k.Time.After(written) {
				break
			}
			err := c.takeKept(ctx, k, limit)
			if err == nil || errors.Is(err, ErrTooSlow) {
				return err
			}
			h.log.Warn("a kept state isn't taken: an older one is tried", "plugin", c.plugin.Name, "kept", k.Image.Short(), "err", err)
		}
	}
	err := c.restoreCheckpoint(ctx, limit)
	if own := c.ownKept(); err != nil && own != nil && unmovable(err) {
		h.log.Warn("the last checkpoint isn't taken", "plugin", c.plugin.Name, "err", err)
		return c.takeKept(ctx, own, limit)
	}
	if err != nil && c.loseState {
		h.log.Warn("the last checkpoint isn't taken, and its loss was ordered", "plugin", c.plugin.Name, "err", err)
		c.move.State = StateMove{Way: WayDropped, Lost: []string{lostEverything}}
		c.keepsLast = true
		return nil
	}
	s, wants := &c.move.State, c.next.Image().Wants()
	c.keepsLast = err == nil && s.Way == WayCheckpoint && (len(s.Lost) > 0 || s.Schema != wants.Schema || s.Version != wants.Version)
	return err
}

// moveOptions returns the options for moving state to the candidate, from the generation that serves if there is one.
func (c *candidate) moveOptions() state.Options {
	o := state.Options{MaxBytes: c.plugin.host.opts.StateLimit}
	if c.old.serves != nil {
		o.Quiet = c.old.gate != nil
		o.Shared = c.old.serves.Value().Image().SharedWith(c.next.Image())
	}
	return o
}
