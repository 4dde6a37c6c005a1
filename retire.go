package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sohost/sohost/generations"
)

// retireLater lets a generation go once its last call has returned. nil is no generation.
func (h *Host) retireLater(p *plugin, g *generations.Generation[*live]) {
	if g == nil {
		return
	}
	p.mu.Lock()
	p.old = append(p.old, g)
	p.mu.Unlock()
	h.tasks.Go(func() {
		// Not bounded: a call may take as long as it likes, and its generation stays for it.
		if err := h.retire(context.Background(), p, g); err != nil {
			h.log.Warn("retire", "plugin", p.name, "generation", g.Value().id.Short(), "err", err)
		}
		p.mu.Lock()
		p.old = slices.DeleteFunc(p.old, func(o *generations.Generation[*live]) bool { return o == g })
		p.mu.Unlock()
	})
}

// retire waits until a generation that is no longer current has no call left, and ends its instance. If ctx ends first the
// instance is left as it is.
func (h *Host) retire(ctx context.Context, p *plugin, g *generations.Generation[*live]) error {
	if err := g.Drain(ctx); err != nil {
		return err
	}
	err := h.end(ctx, g.Value())
	h.log.Debug("retired", "plugin", p.name, "generation", g.Value().id.Short())
	return err
}

// retireLast is retire for the last generation that a plugin has in this process: its state goes into a checkpoint.
func (h *Host) retireLast(ctx context.Context, p *plugin, g *generations.Generation[*live]) error {
	if err := g.Drain(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w; its state is that of the last checkpoint", p.name, err)
	}
	err := h.checkpointLast(ctx, p, g.Value())
	if err != nil {
		err = fmt.Errorf("plugin %s: checkpoint: %w; the one before stays", p.name, err)
	}
	return errors.Join(err, h.end(ctx, g.Value()))
}

// end stops and closes an instance that nobody calls any more, and gives the memory of its image back as far as possible.
// The image stays callable: it faults in again if a later rollback, or a goroutine left behind, needs it.
func (h *Host) end(ctx context.Context, l *live) error {
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	errs := []error{l.stop(ctx), l.close(ctx)}
	if !h.serving(l.id) {
		_, err := l.image.Cool()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
