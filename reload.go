package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
)

// cause says what asked for a reload.
type cause struct {
	kind       generations.Kind
	by         string // in words
	rollbackOf int    // the release whose images come back; 0: none
}

// order is a reload that was asked for.
type order struct {
	cause
	targets []target
}

// reload carries plugins through all the steps of ARCHITECTURE.md together: all of them flip, or none does. What can't be
// done in this process is done by a handover, if there is a way to that. choose says what to load; it is called when the plugins are
// owned, so that nothing changes between its decision and the reload.
//
// After an error every plugin serves what it served before, with its state. The error is ErrClosed or ErrHandedOver, that of
// choose, that of ctx while another deploy of the plugin was waited for, or else a *Refusal. What that wraps may be of the moment only:
// the end of ctx, or generations.ErrChanged when a file was written to while it was read.
func (h *Host) reload(ctx context.Context, plugins []*plugin, choose func() (order, error)) (*Reload, error) {
	b := &batch{host: h}
	defer b.unpin()
	result, err := b.reload(ctx, plugins, choose)
	var failed *failure
	if !errors.As(err, &failed) {
		return result, err
	}
	if failed.needsHandover && h.opts.Process.Handover != nil {
		if result, err = h.reloadByHandover(ctx, b, failed.err); err == nil || errors.Is(err, ErrHandedOver) {
			return result, err
		}
		var refused *Refusal
		failed.phase, failed.err = PhaseHandover, err
		if errors.As(err, &refused) && refused.Plugin == failed.candidate.plugin.Name {
			failed.phase = refused.Phase
		}
	}
	return nil, h.refuse(ctx, failed)
}

// batch is the candidates of one reload.
type batch struct {
	host       *Host
	cause      cause
	candidates []*candidate
}

// reload is Host.reload in this process. An error of a candidate is a *failure.
func (b *batch) reload(ctx context.Context, plugins []*plugin, choose func() (order, error)) (*Reload, error) {
	slices.SortFunc(plugins, byName) // in one order, so that two reloads can't wait for each other
	for _, p := range plugins {
		if err := p.ownOpen(ctx); err != nil {
			return nil, err
		}
		// Until the release is published: otherwise a newer reload could be overtaken on disk by an older one.
		defer p.disown()
	}
	o, err := choose()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(o.targets, func(x, y target) int { return byName(x.plugin, y.plugin) })
	b.cause = o.cause
	defer b.endTrials()
	if err := b.prepareAndFlip(ctx, o.targets); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// prepareAndFlip prepares the candidates of targets and makes them current. The caller owns the plugins, or is the boot, with which
// nobody contends. After an error nothing has changed.
func (b *batch) prepareAndFlip(ctx context.Context, targets []target) error {
	h := b.host
	if err := h.Serving(); err != nil {
		return err
	}
	var failed error
	for _, t := range targets {
		c := newCandidate(t)
		b.candidates = append(b.candidates, c)
		if failed != nil { // the handover will want this one, too
			if err := c.step(PhaseStore, func() error { _, err := c.store(ctx); return err }); err != nil {
				return err
			}
			continue
		}
		if failed = c.prepare(ctx); failed != nil {
			b.abandon(ctx)
			var f *failure
			if !errors.As(failed, &f) || !f.needsHandover || h.opts.Process.Handover == nil {
				return failed
			}
		}
	}
	if failed != nil {
		return failed
	}
	return b.flip(ctx)
}

// changed returns the candidates whose image isn't the one that served.
func (b *batch) changed() []*candidate {
	return slices.DeleteFunc(slices.Clone(b.candidates), func(c *candidate) bool { return c.move.Unchanged })
}

// finish publishes what has flipped, lets the old generations retire, and reports.
func (b *batch) finish() *Reload {
	h := b.host
	result := &Reload{Moves: []Move{}}
	result.Release, result.Warning = h.publish(b.cause, b.changed())
	for _, c := range b.candidates {
		if !c.move.Unchanged {
			c.plugin.stash = c.stash
			c.move.State.Waited = c.old.waited(nil)
			if err := c.next.Uncheckpointable(); err != nil {
				h.log.Warn("state has no checkpoints: a restart loses it", "plugin", c.plugin.Name, "generation", c.next.label, "why", err)
			}
			h.retireLater(c.plugin, c.old.serves)
		}
		move := c.move.clone()
		result.Moves = append(result.Moves, move)
		c.plugin.noteSuccess(move)
		h.logMove(b.cause, move, result.Release)
	}
	return result
}

// publish writes the release that names the changed candidates beside what the current one names, and the history. It returns the number
// of the release that a restart boots, and a warning if that is not the new one.
func (h *Host) publish(why cause, changed []*candidate) (release int, warning string) {
	entries := map[string]generations.Entry{}
	for _, c := range changed {
		entries[c.plugin.Name] = generations.Entry{
			Image: c.move.To, Source: c.file, Version: c.next.Image().Version(), Skipped: c.next.skipped,
		}
	}
	release, err := h.ledger.Publish(why.by, why.rollbackOf, entries, func(release int, took time.Duration) {
		for _, c := range changed {
			c.move.Phases[PhasePublish] = took
			h.ledger.Note(generations.Event{
				Kind: why.kind, Plugin: c.plugin.Name, From: c.move.From, To: c.move.To, Release: release, Detail: why.by,
				Phases: c.move.Phases.byName(),
			})
		}
	})
	if err != nil {
		h.log.Error("publish release", "err", err, "boots", release)
		warning = fmt.Sprintf("publish release: %v; the new generations serve, but a restart boots release %d", err, release)
	}
	return release, warning
}

// unpin lets prunes have the images again.
func (b *batch) unpin() {
	for _, c := range b.candidates {
		if !c.pinned.IsZero() {
			b.host.ledger.Unpin(c.pinned)
		}
	}
}

// endTrials forgets the trials of candidates that serve or are refused.
func (b *batch) endTrials() {
	for _, c := range b.candidates {
		b.host.trials.End(c.suspect())
	}
}

// refuse makes a failure the newest refusal of its plugin, logs it, and returns it. One that comes of the moment is only returned.
func (h *Host) refuse(ctx context.Context, f *failure) error {
	r := f.refusal()
	if momentary(ctx, f.err) {
		return r
	}
	h.noteRefusal(f.candidate.plugin, r)
	return r
}

// noteRefusal makes r the newest refusal of a plugin.
func (h *Host) noteRefusal(p *plugin, r *Refusal) {
	p.setRefusal(r)
	h.log.Error("refused", "plugin", p.Name, "phase", r.Phase, "image", r.Image.Short(), "serves", r.Serves.Short(),
		"source", r.Source, "why", strings.TrimSpace(r.Message))
	h.ledger.Note(generations.Event{
		Kind: generations.KindRefuse, Plugin: p.Name, From: r.Serves, To: r.Image, Detail: string(r.Phase) + ": " + r.Message,
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
	attrs = append(attrs, "to", m.To.Short(), "release", release, "state", m.State.Way, "total", m.Phases.Total())
	for _, phase := range reloadPhases {
		name := string(phase)
		if phase == PhaseState {
			name = "move" // "state" is the way
		}
		attrs = append(attrs, name, m.Phases[phase])
	}
	h.log.Info("reloaded", attrs...)
}
