package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sohost/sohost/internal/instance"
)

// judge finds out whether the state of each plugin can be written to a stream, before any gate is shut for the handover: a
// value that can't be written would make the callers of all plugins wait in vain.
//
// What the type rules out is known. Where only the value can tell, a copy of the state is taken as for a checkpoint, so
// that callers wait no longer for it than Options.CheckpointPause, and is written to nowhere. A state of which no copy can be
// had in that time is judged by its last checkpoint.
func (g *giver) judge(ctx context.Context) error {
	for _, p := range g.plugins {
		serves := p.serving()
		if serves == nil || !serves.Value().Stateful() || g.mayLose(p) {
			continue
		}
		in := serves.Value()
		if err := in.Uncheckpointable(); err != nil && !g.stays(p) && g.host.opts.CheckpointInterval >= 0 {
			return cantRemove(p, err)
		}
		if !in.Predictable() && !p.overdue() {
			err := p.tryWriting(ctx)
			p.noteVerdict(in, err)
			var over *overPauseError
			if err != nil && !errors.As(err, &over) && ctx.Err() == nil {
				return p.cantWrite(err)
			}
		}
		if err := p.unwritable(in); err != nil {
			return p.cantWrite(err)
		}
	}
	return nil
}

// mayLose reports whether the plugin may lose its state by order, so that a state that can't be written holds nothing up.
func (g *giver) mayLose(p *plugin) bool {
	if g.opts.LoseState && !g.stays(p) {
		return true
	}
	for _, r := range g.pending {
		for _, c := range r.candidates {
			if c.plugin == p && c.loseState {
				return true
			}
		}
	}
	_, ordered := g.opts.Images[p.Name]
	return ordered && g.opts.LoseState
}

func (p *plugin) cantWrite(why error) error {
	return fmt.Errorf("plugin %s: %w: %w", p.Name, ErrUnwritable, why)
}

// tryWriting writes the state of the plugin, which the caller owns, to nowhere.
func (p *plugin) tryWriting(ctx context.Context) error {
	s, end, err := newGated(p).copyState(ctx)
	if err != nil {
		return err
	}
	defer end()
	return instance.Encode(io.Discard, s, p.host.opts.StateLimit)
}

// overdue reports whether the plugin's last checkpoints were given up, so that a copy would be as well.
func (p *plugin) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.checkpoints.overs > 0
}

// unwritable returns the first plugin whose state can't be written to a stream, as far as is known, and why.
func (h *Host) unwritable() error {
	for _, p := range h.plugins() {
		if g := p.serving(); g != nil && g.Value().Stateful() {
			if err := p.unwritable(g.Value()); err != nil {
				return p.cantWrite(err)
			}
		}
	}
	return nil
}
