package sohost

import (
	"context"
	"fmt"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/state"
)

// stash is state from before a flip, kept because the new generation's state can't be moved back. It stays with the
// plugin until the next flip.
type stash struct {
	generation generations.ID
	state      abi.State
	time       time.Time
}

// movesState reports whether state moves from the old generation to the candidate.
func (c *candidate) movesState() bool {
	return c.old.serves != nil && c.old.serves.Value().Stateful() && c.next.Stateful()
}

// takeState gives the candidate's instance its state: the old generation's, or the last checkpoint's if nothing serves.
func takeState(ctx context.Context, c *candidate) error {
	return c.step(PhaseState, func() error {
		switch {
		case c.movesState():
			return c.moveState(ctx)
		case c.old.serves == nil && c.next.Stateful():
			return c.restore(ctx)
		case c.old.serves != nil && c.old.serves.Value().Stateful():
			c.move.State.Way = WayDropped
			c.plugin.host.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.Name,
				"from", c.move.From.Short(), "to", c.move.To.Short())
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
	if s := c.plugin.stash; s != nil && s.generation == c.move.To {
		return c.takeStash(ctx, s)
	}
	given, downgraded, err := old.Export(ctx, c.next.Image().Wants())
	if err != nil {
		return err
	}
	taken, err := c.next.Accept(ctx, given, c.moveOptions(), true)
	if err != nil {
		return err
	}
	c.move.State = moveOf(taken)
	if downgraded {
		c.move.State.Way = WayDowngrade
	}
	// The candidate's state will not fit the old generation, but the old value is whole: it is the only way back.
	if taken.GiversIsIntact() && !c.next.TakesBack(given) {
		c.stash = &stash{generation: c.move.From, state: given, time: time.Now()}
	}
	return nil
}

// takeStash gives the candidate the state from before the last flip, because the newer generation's can't be moved
// back. It gives a copy, because the move may still fail and the stash is needed again then.
func (c *candidate) takeStash(ctx context.Context, s *stash) error {
	h := c.plugin.host
	given, err := instance.CopyState(s.state, state.Options{MaxBytes: h.opts.StateLimit})
	if err != nil {
		return fmt.Errorf("copy the state kept from before: %w", err)
	}
	taken, err := c.next.Accept(ctx, given, c.moveOptions(), false)
	if err != nil {
		return err
	}
	c.move.State = moveOf(taken)
	c.move.State.Way, c.move.State.Age = WayKept, time.Since(s.time)
	h.log.Warn("restored the state from before the newer generation, which can't give its own back: what happened since is lost",
		"plugin", c.plugin.Name, "generation", c.move.To.Short(), "age", c.move.State.Age)
	return nil
}

// moveOptions returns the options for moving state to the candidate, from the generation that serves if there is one.
func (c *candidate) moveOptions() state.Options {
	o := state.Options{MaxBytes: c.plugin.host.opts.StateLimit}
	if c.old.serves != nil {
		o.Shared = c.old.serves.Value().Image().SharedWith(c.next.Image())
	}
	return o
}
