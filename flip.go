package sohost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sohost/sohost/generations"
)

// flip moves the state of candidates that were prepared and makes all of them current. After an error none is: their instances
// are closed, every old instance has its state and its background work again, and the callers that waited proceed with it.
// It returns the candidate that failed.
func (h *Host) flip(ctx context.Context, candidates []*candidate) (*candidate, error) {
	if c, err := h.ready(ctx, candidates); err != nil {
		h.abandon(ctx, candidates) // first: an instance that has started may work on the state that is given back
		h.giveBack(ctx, candidates)
		return c, err
	}
	h.swap(candidates)
	return nil, nil
}

// swap makes candidates current that are ready.
func (h *Host) swap(candidates []*candidate) {
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
}

// ready brings candidates to where nothing but the flip is left to do. Each step is taken by all before the next: the gates
// are shut together, and nothing starts before all have state. All share the time that a step may take, since the callers of
// each wait for all; see Options.gateLimit.
func (h *Host) ready(ctx context.Context, candidates []*candidate) (*candidate, error) {
	for _, step := range []struct {
		do    func(context.Context, *candidate) error
		limit time.Duration
	}{
		{h.shut, h.opts.DrainTimeout},
		{h.drain, h.opts.DrainTimeout},
		{h.takeState, h.opts.DrainTimeout},
		{h.start, h.opts.OpenTimeout},
	} {
		limited, cancel := h.limit(ctx, step.limit)
		defer cancel()
		for _, c := range candidates {
			if err := step.do(limited, c); err != nil {
				return c, err
			}
			if ctx.Err() != nil { // a plugin need not have heeded it
				return c, context.Cause(ctx)
			}
		}
	}
	return nil, nil
}

// shut makes callers wait whose calls would change state that is about to move.
func (h *Host) shut(_ context.Context, c *candidate) (err error) {
	if !c.moves() || c.serves.Value().descriptor.ConcurrentExport {
		return nil
	}
	c.phase = "drain"
	c.gate, err = c.plugin.slot.Gate()
	return err
}

// drain waits for the calls that were under way when the gate was shut.
func (h *Host) drain(ctx context.Context, c *candidate) error {
	if c.gate == nil {
		return nil
	}
	c.phase = "drain"
	return timed(&c.phases.Drain, func() error { return c.plugin.drainGated(ctx, c.serves) })
}

// drainGated waits for the calls of a generation whose callers are made to wait, and tells who holds it if that takes too
// long.
func (p *plugin) drainGated(ctx context.Context, g *generations.Generation[*live]) error {
	err := g.Drain(ctx)
	var held *generations.DrainError
	if errors.As(err, &held) && errors.Is(err, ErrTooSlow) {
		return fmt.Errorf("%d calls of plugin %s in generation %s have not returned: %w; "+
			"reload when they have, raise the drain timeout, or have the plugin declare ConcurrentExport",
			held.Leases, p.name, g.ID().Short(), held.Err)
	}
	return err
}

// start starts the candidate's background work.
func (h *Host) start(ctx context.Context, c *candidate) error {
	c.phase = "start"
	return timed(&c.phases.Start, func() error { return c.live.start(ctx) })
}

// giveBack lets the old generations go on after a move that failed.
func (h *Host) giveBack(ctx context.Context, candidates []*candidate) {
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.OpenTimeout)
	defer cancel()
	for _, c := range candidates {
		if c.gate != nil {
			h.goOn(ctx, c.plugin, c.serves, c.gate)
			c.gate = nil
		}
	}
}

// goOn opens the gate for the generation that was current when it was shut, with its background work begun again if that was
// stopped for the state's sake.
func (h *Host) goOn(ctx context.Context, p *plugin, g *generations.Generation[*live], gate *generations.Gate[*live]) {
	if l := g.Value(); l.stopped {
		l.stopped = false
		if err := l.start(ctx); err != nil {
			h.log.Error("start background work again: the plugin serves on without it",
				"plugin", p.name, "generation", l.label, "err", err)
		}
	}
	if err := gate.Open(g); err != nil { // the owner alone changes the slot
		panic(fmt.Sprintf("sohost: put %s back: %v", p.name, err))
	}
}

// limit is ctx, ended with a cause after d.
func (h *Host) limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v", ErrTooSlow, d))
}
