package sohost

import (
	"context"
	"io"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/instance"
)

// checkpointRegularly takes a checkpoint of each plugin at every interval.
func (h *Host) checkpointRegularly() {
	if h.opts.CheckpointInterval < 0 {
		return
	}
	h.tasks.Go(func() {
		for {
			select {
			case <-time.After(h.opts.CheckpointInterval): // counted from the end of the last round, so that callers don't wait all the time
			case <-h.lifetime.Done():
				return
			}
			for _, p := range h.plugins() {
				if err := p.checkpoint(h.lifetime); err != nil && h.lifetime.Err() == nil {
					h.log.Warn("checkpoint: the one before stays", "plugin", p.Name, "err", err)
				}
			}
		}
	})
}

// checkpoint takes a checkpoint of a plugin that serves. Callers wait while the state is copied, but not while the copy
// is written.
func (p *plugin) checkpoint(ctx context.Context) error {
	disown, err := p.host.own(ctx, []*plugin{p})
	if err != nil {
		return err
	}
	defer disown()
	g := newGated(p)
	if g.serves == nil || !g.serves.Value().Checkpointable() {
		return nil
	}
	s, err := g.copyState(ctx)
	if err != nil {
		return err
	}
	return p.writeCheckpoint(s)
}

// checkpointDrain divides the drain timeout to give how long a checkpoint waits for calls. The result is small because
// a call that never ends would make all others wait that long at every interval.
const checkpointDrain = 10

// copyState copies the plugin's state, with callers held back and background work stopped unless the plugin exports
// concurrently. Both go on when it returns.
func (g *gated) copyState(ctx context.Context) (abi.State, error) {
	h, in := g.plugin.host, g.serves.Value()
	if !in.ConcurrentExport() {
		if err := g.shut(); err != nil {
			return abi.State{}, err
		}
		defer func() {
			ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.OpenTimeout)
			defer cancel()
			g.reopen(ctx)
		}()
		limited, cancel := h.limit(ctx, h.opts.DrainTimeout/checkpointDrain)
		defer cancel()
		if err := g.drain(limited); err != nil {
			return abi.State{}, err
		}
	}
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	if !in.ConcurrentExport() {
		if err := in.Pause(ctx); err != nil {
			return abi.State{}, err
		}
	}
	s, _, err := in.Export(ctx, abi.State{})
	if err != nil {
		return s, err
	}
	return instance.CopyState(s, h.opts.StateLimit)
}

// checkpointLast writes a checkpoint of an instance that nobody calls any more.
func (p *plugin) checkpointLast(ctx context.Context, in *instance.Instance) error {
	h := p.host
	if h.opts.CheckpointInterval < 0 || !in.Checkpointable() {
		return nil
	}
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	if err := in.Pause(ctx); err != nil {
		return err
	}
	s, _, err := in.Export(ctx, abi.State{})
	if err != nil {
		return err
	}
	return p.writeCheckpoint(s)
}

// writeCheckpoint writes s as the plugin's last checkpoint.
func (p *plugin) writeCheckpoint(s abi.State) error {
	return p.host.checkpoints.Write(p.Name, s, func(w io.Writer) error { return instance.Encode(w, s) })
}

// restore gives the candidate's instance the state of the last checkpoint that can be read. If there is none, the
// instance starts with the state that New gave it.
func (c *candidate) restore(ctx context.Context) error {
	h := c.plugin.host
	if h.opts.CheckpointInterval < 0 || !c.next.Checkpointable() {
		return nil
	}
	var taken instance.Taken
	restored, err := h.checkpoints.Restore(c.plugin.Name, c.next.Image().Wants(), c.move.Time, func(r io.Reader) (err error) {
		taken, err = c.next.AcceptStream(ctx, r, c.moveOptions())
		return err
	})
	if err != nil || restored.From == checkpoint.None {
		return err
	}
	c.move.State = moveOf(taken)
	c.move.State.Way, c.move.State.Age = WayCheckpoint, time.Since(restored.Time)
	if restored.From == checkpoint.Before {
		h.log.Warn("restored the checkpoint before the last", "plugin", c.plugin.Name, "age", c.move.State.Age)
	}
	return nil
}

// checkpointCopy writes a state received from another process as the plugin's last checkpoint.
func (p *plugin) checkpointCopy(m StateMove, copied io.Reader) error {
	of := abi.State{Schema: m.Schema, Version: m.Version}
	return p.host.checkpoints.Write(p.Name, of, func(w io.Writer) error {
		_, err := io.Copy(w, copied)
		return err
	})
}
