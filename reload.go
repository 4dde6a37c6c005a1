package sohost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
)

// cause is what asked for a reload.
type cause struct {
	kind       generations.Kind
	by         string // in words, for logs, history and the release
	trace      string // the traceparent of who asked; see generations.Event
	rollbackOf int    // the release that a rollback goes back to; 0 for all other reloads
}

// order is a reload as it was asked for.
type order struct {
	cause
	targets []target
}

// reload takes the plugins through all the steps of ARCHITECTURE.md together: either all of them flip or none does.
// What can't be done in this process is done by a handover, if there is one to be had. choose decides what to load. It
// is called once the plugins are owned, so that nothing changes between its decision and the reload.
//
// After an error every plugin serves what it served before, with its state. The error is ErrClosed or ErrHandedOver,
// choose's, the cause of ctx's end if it ended while reload waited for another reload of a plugin, or else a *Refusal.
// Some refusals say nothing about the image: they wrap the cause of ctx's end, or generations.ErrChanged if a file was
// written while it was read.
func (h *Host) reload(ctx context.Context, plugins []*plugin, choose func() (order, error)) (*Reload, error) {
	if err := h.booted(ctx); err != nil {
		return nil, err
	}
	b := &batch{host: h}
	defer b.unpin()
	result, err := b.reload(ctx, plugins, choose)
	var failed *failure
	if !errors.As(err, &failed) {
		return result, err
	}
	if result, err = h.reloadByHandover(ctx, b, failed.err); err == nil || errors.Is(err, ErrHandedOver) {
		return result, err
	}
	var refused *Refusal
	failed.phase, failed.err = PhaseHandover, err
	if errors.As(err, &refused) && refused.Plugin == failed.candidate.plugin.Name {
		failed.phase = refused.Phase // and the refusal to come names the rest
		failed.err = fmt.Errorf("in a new worker, too: %w", cmp.Or(refused.Err, errors.New(refused.Message)))
	}
	err = h.refuse(ctx, failed)
	b.tellOver(generations.KindAbandon, err) // of those that were deferred
	return nil, err
}

// handsOver reports whether another process may load what has failed here, and there is one to be had.
func (h *Host) handsOver(f *failure) bool { return f.needsHandover && h.opts.Process.Handover != nil }

// batch holds the candidates of one reload.
type batch struct {
	host       *Host
	cause      cause
	candidates []*candidate
}

// reload is Host.reload within this process. If a candidate is at fault, the error is a *Refusal, or a *failure if a handover may help.
func (b *batch) reload(ctx context.Context, plugins []*plugin, choose func() (order, error)) (*Reload, error) {
	slices.SortFunc(plugins, byName) // one order for all: two reloads can't deadlock over each other's tokens
	disown, err := b.host.own(ctx, plugins)
	if err != nil {
		return nil, err
	}
	defer disown() // only once the release is published, or an older reload could overtake a newer one on disk
	b.host.reloads.Add(1)
	defer b.spareLater()
	for _, p := range plugins {
		if err := p.known(); err != nil {
			return nil, err
		}
	}
	o, err := choose()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(o.targets, func(x, y target) int { return byName(x.plugin, y.plugin) })
	b.cause = o.cause
	defer b.endTrials()
	if err := b.try(ctx, o.targets); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// try is prepareAndFlip, and tells of the end if that fails. The error is as of batch.reload.
func (b *batch) try(ctx context.Context, targets []target) error {
	err := b.prepareAndFlip(ctx, targets)
	if err == nil {
		return nil
	}
	var failed *failure
	over := generations.KindAbandon
	switch {
	case !errors.As(err, &failed):
	case b.host.handsOver(failed):
		over = generations.KindDefer
	default:
		err = b.host.refuse(ctx, failed) // before the next reload looks what was refused
	}
	b.tellOver(over, err)
	return err
}

// prepareAndFlip prepares the candidates of the targets and makes them current. The caller owns the plugins. After an error nothing has changed.
func (b *batch) prepareAndFlip(ctx context.Context, targets []target) error {
	h := b.host
	if err := h.Serving(); err != nil {
		return err
	}
	var failed error
	for _, t := range targets {
		c := newCandidate(t)
		c.trace = b.cause.trace
		b.candidates = append(b.candidates, c)
		if failed != nil { // the handover takes all images of the reload from the store
			if err := c.step(PhaseStore, func() error { _, err := c.store(ctx); return err }); err != nil {
				return err
			}
			if err := c.settle(); err != nil {
				return err
			}
			continue
		}
		if failed = c.prepare(ctx); failed != nil {
			b.abandon(ctx)
			var f *failure
			if !errors.As(failed, &f) || !h.handsOver(f) {
				return failed
			}
		}
	}
	if failed != nil {
		return failed
	}
	if err := b.refuseLoss(ctx); err != nil {
		return err
	}
	return b.flip(ctx)
}

// changed returns the candidates whose image isn't the one that served already.
func (b *batch) changed() []*candidate {
	return slices.DeleteFunc(slices.Clone(b.candidates), func(c *candidate) bool { return c.move.Unchanged })
}

// finish publishes what has flipped, lets the old generations retire, and returns the report.
func (b *batch) finish() *Reload {
	h := b.host
	result := &Reload{Moves: []Move{}}
	result.Release, result.Warning = h.publish(b.cause, b.changed(), b.unnamed())
	for _, c := range b.candidates {
		if !c.move.Unchanged {
			result.Warning = joinWarnings(result.Warning, c.keepState(result.Release))
			c.move.State.Waited = c.old.waited(nil)
			if err := c.next.Uncheckpointable(); err != nil {
				c.move.State.Uncheckpointed = err.Error()
				h.log.Warn("state has no checkpoints: a restart loses it", "plugin", c.plugin.Name, "generation", c.next.label, "why", err)
			}
			if c.old.serves != nil && c.next.Stateful() {
				c.plugin.checkpointSoon()
			}
		}
		move := c.move.clone()
		result.Moves = append(result.Moves, move)
		if c.settles() {
			c.plugin.noteSuccess(move)
		}
		if !c.move.Unchanged { // who hears of the end of the old generation finds the move in the status
			h.retireLater(c.plugin, c.old.serves)
		}
		h.logMove(b.cause, move, result.Release)
		h.warn(move)
	}
	return result
}

// unpin removes the pins on the candidates' images, which a release names by now or nobody needs.
func (b *batch) unpin() {
	for _, c := range b.candidates {
		if !c.pinned.IsZero() {
			c.plugin.unpin(c.pinned, c.stored.IsZero())
		}
	}
}

// unpin removes a pin on an image. One that came from a file and that nobody needs leaves the store: builds that fail again and again
// must not fill the disk.
func (p *plugin) unpin(id generations.ID, fromFile bool) {
	p.host.ledger.Unpin(id)
	if fromFile && p.servingID() != id { // what serves is named by the release, or will be
		p.host.ledger.Drop(id)
	}
}

// endTrials ends the trials of candidates that serve or were refused.
func (b *batch) endTrials() {
	for _, c := range b.candidates {
		b.host.trials.End(c.suspect())
	}
}

// refuse records a failure as the plugin's newest refusal, logs it, and returns it. A momentary one is only returned.
func (h *Host) refuse(ctx context.Context, f *failure) error {
	r := f.refusal()
	if momentary(ctx, f.err) {
		return r
	}
	h.noteRefusal(f.candidate, r)
	f.candidate.told = ""
	return r
}

// noteRefusal records r as the newest refusal of the candidate's plugin, in the log and in the history.
func (h *Host) noteRefusal(c *candidate, r *Refusal) {
	p := c.plugin
	p.setRefusal(r)
	h.log.Error("refused", "plugin", p.Name, "phase", r.Phase, "image", r.Image.Short(), "serves", r.Serves.Short(),
		"source", r.Source, "why", strings.TrimSpace(r.Message))
	h.ledger.Note(generations.Event{
		Kind: generations.KindRefuse, Plugin: p.Name, From: r.Serves, To: r.Image, Detail: string(r.Phase) + ": " + r.Message,
		Phases: c.move.Phases.byName(), Trace: c.trace,
	})
}

func (h *Host) logMove(why cause, m Move, release int) {
	if m.Unchanged {
		h.log.Debug("unchanged", "plugin", m.Plugin, "generation", m.To.Short())
		return
	}
	attrs := []any{"plugin", m.Plugin, "cause", why.by}
	if !m.From.IsZero() {
		attrs = append(attrs, "from", m.From.Short())
	}
	attrs = append(attrs, "to", m.To.Short(), "release", release, "state", m.State.Way)
	if m.State.Entries > 0 || m.State.Bytes > 0 {
		attrs = append(attrs, "entries", m.State.Entries, "bytes", m.State.Bytes)
	}
	if len(m.State.Changes) > 0 {
		attrs = append(attrs, "changes", several(m.State.Changes))
	}
	if len(m.State.Lost) > 0 {
		attrs = append(attrs, "lost", several(m.State.Lost))
	}
	if len(m.State.Restored) > 0 {
		attrs = append(attrs, "restored", several(m.State.Restored))
	}
	attrs = append(attrs, "total", m.Phases.Total())
	for _, phase := range reloadPhases {
		name := string(phase)
		if phase == PhaseState {
			name = "move" // "state" is taken by the way
		}
		attrs = append(attrs, name, m.Phases[phase])
	}
	h.log.Info("reloaded", attrs...)
}
