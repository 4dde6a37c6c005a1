package sohost

import (
	"context"
	"fmt"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// StateMove says how a plugin's state came into a new generation.
type StateMove struct {
	// Way is "none" when the plugin has no state or nothing served before, "import" when the new generation's Import has
	// taken it, and "dropped" when the old generation had state and the new one takes none.
	Way string `json:"way"`

	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`
}

// The ways of a StateMove.
const (
	stateNone    = "none"
	stateImport  = "import"
	stateDropped = "dropped"
)

// flip moves the state of candidates that were prepared and makes all of them current. After an error none is: every old
// instance has its state and its background work again, and the callers that waited proceed with it. It returns the
// candidate that failed.
func (h *Host) flip(ctx context.Context, candidates []*candidate) (*candidate, error) {
	for i, c := range candidates {
		if err := h.takeState(ctx, c); err != nil {
			for _, c := range candidates[:i+1] {
				h.giveBack(ctx, c)
			}
			return c, err
		}
	}
	for _, c := range candidates {
		err := timed(&c.phases.Flip, func() (err error) {
			next := generations.NewGeneration(c.id, c.live)
			if c.gate != nil {
				return c.gate.Open(next)
			}
			_, err = c.plugin.slot.Swap(next)
			return err
		})
		if err != nil { // the owner alone changes the slot, and next is new
			panic(fmt.Sprintf("sohost: flip %s: %v", c.plugin.name, err))
		}
	}
	return nil, nil
}

// takeState closes the gate of a stateful plugin, moves the state from the old instance to the candidate's, and starts that.
func (h *Host) takeState(ctx context.Context, c *candidate) error {
	c.state.Way = stateNone
	if c.serves != nil {
		from, had := c.serves.Value().stateful()
		to, takes := c.live.stateful()
		switch {
		case had && takes:
			if err := h.moveState(ctx, c, from, to); err != nil {
				return err
			}
		case had:
			c.state.Way = stateDropped
			h.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.name,
				"from", c.from.Short(), "to", c.id.Short())
		}
	}
	c.phase = "start"
	ctx, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	return timed(&c.phases.Start, func() error { return c.live.start(ctx) })
}

func (h *Host) moveState(ctx context.Context, c *candidate, from, to abi.Stateful) error {
	old := c.serves.Value()
	c.phase = "drain"
	if !old.descriptor.ConcurrentExport {
		err := timed(&c.phases.Drain, func() (err error) {
			if c.gate, err = c.plugin.slot.Gate(); err != nil {
				return err
			}
			ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
			defer cancel()
			return c.serves.Drain(ctx)
		})
		if err != nil {
			return err
		}
	}
	c.phase = "state"
	return timed(&c.phases.State, func() error {
		ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
		defer cancel()
		if c.gate != nil {
			if err := old.stop(ctx); err != nil {
				return err
			}
		}
		var s abi.State
		err := guard(ctx, "Export", func(ctx context.Context) (err error) {
			s, err = from.Export(ctx)
			return err
		})
		if err != nil {
			return err
		}
		c.state = StateMove{Way: stateImport, Schema: s.Schema, Version: s.Version}
		return guard(ctx, "Import", func(ctx context.Context) error { return to.Import(ctx, s) })
	})
}

// giveBack lets the old generation go on after a move that failed.
func (h *Host) giveBack(ctx context.Context, c *candidate) {
	if c.gate == nil {
		return
	}
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.DrainTimeout)
	defer cancel()
	if err := c.serves.Value().start(ctx); err != nil {
		h.log.Error("restart of the old generation's background work", "plugin", c.plugin.name,
			"generation", c.from.Short(), "err", err)
	}
	if err := c.gate.Open(c.serves); err != nil { // the owner alone changes the slot
		panic(fmt.Sprintf("sohost: put %s back: %v", c.plugin.name, err))
	}
	c.gate = nil
}

// limit is ctx, ended with a cause after d.
func (h *Host) limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v", ErrTooSlow, d))
}
