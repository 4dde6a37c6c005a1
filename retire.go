package sohost

import (
	"context"
	"errors"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
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
		err := g.Drain(context.Background())
		if err == nil {
			err = h.end(context.Background(), g.Value())
		}
		p.mu.Lock()
		p.old = slices.DeleteFunc(p.old, func(o *generations.Generation[*live]) bool { return o == g })
		p.mu.Unlock()
		h.cool(g.Value()) // only now: while it is listed it counts as used
		h.log.Debug("retired", "plugin", p.name, "generation", g.Value().label)
		if err != nil {
			h.log.Warn("retire", "plugin", p.name, "generation", g.Value().label, "err", err)
		}
		h.watchBudget()
	})
}

// end stops and closes an instance that nobody calls any more.
func (h *Host) end(ctx context.Context, l *live) error {
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	return errors.Join(l.stop(ctx), l.close(ctx))
}

// cool gives the memory of an instance's image back as far as possible, unless another instance uses the image. It stays
// callable: it faults in again if a later rollback, or a goroutine left behind, needs it.
func (h *Host) cool(l *live) {
	if h.inUse(l.image) {
		return
	}
	if _, err := l.image.Cool(); err != nil {
		h.log.Warn("give back memory", "generation", l.label, "err", err)
	}
}

// uses says whether an instance of the plugin that is not retired comes from the image.
func (p *plugin) uses(image *native.Image) bool {
	if g := p.current(); g != nil && g.Value().image == image {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.old, func(g *generations.Generation[*live]) bool { return g.Value().image == image })
}

// inUse says whether an instance of any plugin that is not retired comes from the image.
func (h *Host) inUse(image *native.Image) bool {
	return slices.ContainsFunc(h.index.Load().sorted(), func(p *plugin) bool { return p.uses(image) })
}
