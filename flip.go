package sohost

import (
	"context"
	"fmt"
	"time"

	"github.com/sohost/sohost/generations"
)

// flip moves the state of the candidates that were prepared and makes all of them current. After an error none is: their instances
// are closed, every old instance has its state and its background work again, and the callers that waited proceed with it.
func (b *batch) flip(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		b.abandon(ctx) // first: an instance that has started may work on the state that is given back
		b.reopen(ctx)
		return err
	}
	b.swap()
	return nil
}

// swap makes candidates current that are ready.
func (b *batch) swap() {
	for _, c := range b.changed() {
		c.move.Phases.timed(PhaseFlip, func() error {
			c.old.replace(generations.NewGeneration(c.move.To, c.next))
			return nil
		})
	}
}

// ready takes the candidates to where nothing but the flip is left to do. Each step is taken by all before the next: the gates
// are shut together, and nothing starts before all have state. All share the time that a step may take, since the callers of
// each wait for all; see Options.gateLimit.
func (b *batch) ready(ctx context.Context) error {
	opts := b.host.opts
	for _, step := range []struct {
		phase Phase
		do    func(context.Context, *candidate) error
		limit time.Duration
	}{
		{PhaseDrain, shut, opts.DrainTimeout},
		{PhaseDrain, drain, opts.DrainTimeout},
		{PhaseState, takeState, opts.DrainTimeout},
		{PhaseStart, start, opts.OpenTimeout},
	} {
		limited, cancel := b.host.limit(ctx, step.limit)
		defer cancel()
		for _, c := range b.changed() {
			if err := step.do(limited, c); err != nil {
				return err
			}
			if ctx.Err() != nil { // the plugin need not have heeded it
				return &failure{candidate: c, phase: step.phase, err: context.Cause(ctx)}
			}
		}
	}
	return nil
}

// shut makes callers wait whose calls would change state that is about to move.
func shut(_ context.Context, c *candidate) error {
	if !c.movesState() || c.old.serves.Value().ConcurrentExport() {
		return nil
	}
	return c.step(PhaseDrain, c.old.shut)
}

// drain waits for the calls that were under way when the gate was shut.
func drain(ctx context.Context, c *candidate) error {
	if c.old.gate == nil {
		return nil
	}
	return c.step(PhaseDrain, func() error { return c.old.drain(ctx) })
}

// start starts the candidate's background work.
func start(ctx context.Context, c *candidate) error {
	return c.step(PhaseStart, func() error { return c.next.Start(ctx) })
}

// abandon closes the instances of candidates that won't flip.
func (b *batch) abandon(ctx context.Context) {
	h := b.host
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.DrainTimeout)
	defer cancel()
	for _, c := range b.candidates {
		if c.next == nil {
			continue
		}
		if err := h.end(ctx, c.next.Instance); err != nil {
			h.log.Warn("close abandoned instance", "plugin", c.plugin.Name, "generation", c.next.label, "err", err)
		}
		h.cool(c.next)
		c.next = nil
	}
}

// reopen lets callers go on with the old generations whose gates are shut.
func (b *batch) reopen(ctx context.Context) {
	ctx, cancel := b.host.limit(context.WithoutCancel(ctx), b.host.opts.OpenTimeout)
	defer cancel()
	for _, c := range b.candidates {
		c.old.reopen(ctx)
	}
}

// limit returns ctx, ended with a cause after d.
func (h *Host) limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v", ErrTooSlow, d))
}
