package sohost

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sohost/sohost/internal/inflight"
)

// flip moves the state of the prepared candidates and makes all of them current. After an error none of them is: their
// instances are closed, every old instance has its state and background work back, and the callers that waited go on
// with it.
func (b *batch) flip(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		b.abandon(ctx) // first: an instance that has started may still use the state that the old one gets back
		b.reopen(ctx)
		return err
	}
	b.swap()
	return nil
}

// swap makes candidates current that are ready. It can't fail, so either all of them flip or none has.
func (b *batch) swap() {
	for _, c := range b.changed() {
		c.move.Phases.timed(PhaseFlip, func() error {
			c.old.replace(inflight.NewGeneration(c.next.Row(), c.move.To, c.next))
			return nil
		})
		if c.old.serves != nil {
			c.move.Crossing = c.old.serves.Leases()
		}
		c.tellFlip()
	}
}

// ready takes the candidates to the point where only the flip is left. All of them take each step before any takes the
// next: the gates are shut together, but for those of chains, and nothing starts before all have their state. They share the time
// limit of a step, because the callers of each wait for all of them (see Options.gateLimit).
func (b *batch) ready(ctx context.Context) error {
	opts := b.host.opts
	if err := b.holdBack(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		phase Phase
		do    func(context.Context, *candidate) error
		limit time.Duration
		by    string
	}{
		{PhaseState, takeState, opts.DrainTimeout, drainTimeout},
		{PhaseStart, start, opts.OpenTimeout, openTimeout},
	} {
		limited, cancel := b.host.limit(ctx, step.limit, step.by)
		defer cancel()
		if err := each(ctx, b.changed(), step.phase, func(c *candidate) error { return step.do(limited, c) }); err != nil {
			return err
		}
	}
	return nil
}

// holdBack shuts the gates and waits for the calls that run. Where one plugin's calls go on to the next in a chain, that one's gate is
// shut once none can come: they would wait for each other.
func (b *batch) holdBack(ctx context.Context) error {
	limited, cancel := b.host.limit(ctx, b.host.opts.DrainTimeout, drainTimeout)
	defer cancel()
	for _, wave := range waves(b.changed(), func(c *candidate) *plugin { return c.plugin }) {
		for _, do := range []func(context.Context, *candidate) error{shut, drain} {
			if err := each(ctx, wave, PhaseDrain, func(c *candidate) error { return do(limited, c) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// each calls do for the candidates until one fails or ctx ends.
func each(ctx context.Context, candidates []*candidate, phase Phase, do func(*candidate) error) error {
	for _, c := range candidates {
		if err := do(c); err != nil {
			return err
		}
		if ctx.Err() != nil { // the plugin may have ignored it
			return &failure{candidate: c, phase: phase, err: context.Cause(ctx)}
		}
	}
	return nil
}

// shut makes callers wait if their calls could change state that is about to move, or to be kept, or need what is about to be released.
func shut(_ context.Context, c *candidate) error {
	if !c.exclusive() && (!c.hasState() || c.old.serves.Value().ConcurrentExport()) {
		return nil
	}
	return c.step(PhaseDrain, c.old.shut)
}

// drain waits for the calls that were running when the gate was shut.
func drain(ctx context.Context, c *candidate) error {
	if c.old.gate == nil {
		return nil
	}
	return c.step(PhaseDrain, func() error {
		defer c.old.cutLater()()
		err := c.old.drain(ctx)
		if err != nil && !c.movesState() && !c.exclusive() { // a state that is dropped by order holds nothing up: it is only not kept
			c.undrained, err = err, nil
		}
		return err
	})
}

// start starts the candidate's background work.
func start(ctx context.Context, c *candidate) error {
	if !c.next.Starts() { // comparing the process's settings takes longer than most calls may wait
		return c.step(PhaseStart, func() error { return c.next.Start(ctx) })
	}
	defer c.watchSettings().end()
	return c.step(PhaseStart, func() error { return c.explainInUse(c.next.Start(ctx)) })
}

// abandon closes the instances of candidates that won't flip.
func (b *batch) abandon(ctx context.Context) {
	h := b.host
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	for _, c := range b.candidates {
		if c.next == nil {
			continue
		}
		if err := h.end(ctx, c.next.Instance); err != nil {
			h.log.Warn("close abandoned instance", "plugin", c.plugin.Name, "generation", c.next.label, "err", err)
		}
		c.next.Row().Release()
		h.cool(c.next)
		c.next = nil
	}
	for _, c := range slices.Backward(b.candidates) { // the last one first, as each may have changed the same setting
		c.restoreSettings()
	}
}

// reopen opens the gates that are shut, so that callers go on with the old generations.
func (b *batch) reopen(ctx context.Context) {
	ctx, cancel := b.host.limit(context.WithoutCancel(ctx), b.host.opts.OpenTimeout, openTimeout)
	defer cancel()
	for _, c := range b.candidates {
		c.old.reopen(ctx)
	}
}

// The settings that limit gets, by their names in sohost.toml.
const (
	openTimeout     = "open_timeout"
	drainTimeout    = "drain_timeout"
	checkpointPause = "checkpoint_pause"
)

// limit returns ctx with a timeout of d. The timeout's cause is ErrTooSlow, and names the setting that allows more.
func (h *Host) limit(ctx context.Context, d time.Duration, setting string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %v (%s allows more)", ErrTooSlow, d, setting))
}
