package sohost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sohost/sohost/generations"
)

// flip moves the state of candidates that were prepared and makes all of them current. After an error none is: every old
// instance has its state and its background work again, and the callers that waited proceed with it. It returns the
// candidate that failed.
func (h *Host) flip(ctx context.Context, candidates []*candidate) (*candidate, error) {
	// Each step is taken by all before the next: the gates are shut together, and nothing starts before all have state.
	for _, step := range []func(context.Context, *candidate) error{h.shut, h.drain, h.takeState, h.start} {
		for _, c := range candidates {
			if err := step(ctx, c); err != nil {
				h.giveBack(ctx, candidates)
				return c, err
			}
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
	return timed(&c.phases.Drain, func() error { return h.drainGated(ctx, c.plugin, c.serves) })
}

// drainGated waits for the calls of a generation whose callers are made to wait, and tells who holds it if that takes too
// long.
func (h *Host) drainGated(ctx context.Context, p *plugin, g *generations.Generation[*live]) error {
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	err := g.Drain(ctx)
	var held *generations.DrainError
	if errors.As(err, &held) {
		return fmt.Errorf("%d calls of plugin %s in generation %s have not returned, each of them older than %v: %w; "+
			"reload when they have, raise the drain timeout, or have the plugin declare ConcurrentExport",
			held.Held, p.name, g.ID().Short(), h.opts.DrainTimeout, err)
	}
	return err
}

// start starts the candidate's background work.
func (h *Host) start(ctx context.Context, c *candidate) error {
	c.phase = "start"
	ctx, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	return timed(&c.phases.Start, func() error { return c.live.start(ctx) })
}

// giveBack lets the old generations go on after a move that failed.
func (h *Host) giveBack(ctx context.Context, candidates []*candidate) {
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.DrainTimeout)
	defer cancel()
	for _, c := range candidates {
		if c.gate == nil {
			continue
		}
		h.restart(ctx, c.plugin, c.serves.Value())
		if err := c.gate.Open(c.serves); err != nil { // the owner alone changes the slot
			panic(fmt.Sprintf("sohost: put %s back: %v", c.plugin.name, err))
		}
		c.gate = nil
	}
}

// restart begins the background work of an instance that was stopped for its state again.
func (h *Host) restart(ctx context.Context, p *plugin, l *live) {
	if !l.stopped {
		return
	}
	l.stopped = false
	if err := l.start(ctx); err != nil {
		h.log.Error("start background work again: the plugin serves on without it", "plugin", p.name, "generation", l.label, "err", err)
	}
}

// limit is ctx, ended with a cause after d.
func (h *Host) limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v", ErrTooSlow, d))
}
