package sohost

import (
	"context"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
)

// retireLater retires a generation once its last call has returned. nil is no generation.
func (h *Host) retireLater(p *plugin, g *generations.Generation[*loaded]) {
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
			err = h.end(context.Background(), g.Value().Instance)
		}
		p.mu.Lock()
		p.old = slices.DeleteFunc(p.old, func(o *generations.Generation[*loaded]) bool { return o == g })
		p.mu.Unlock()
		h.cool(g.Value()) // only now: while it is listed it counts as used
		h.log.Debug("retired", "plugin", p.Name, "generation", g.Value().label)
		if err != nil {
			h.log.Warn("retire", "plugin", p.Name, "generation", g.Value().label, "err", err)
		}
		h.retired.up()
	})
}

// end stops and closes an instance that nobody calls any more.
func (h *Host) end(ctx context.Context, in *instance.Instance) error {
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	return in.End(ctx)
}

// cool returns the memory of an instance's image to the kernel as far as possible, unless another instance uses the image. The image stays
// callable: it faults in again if a later rollback, or a goroutine left behind, needs it.
func (h *Host) cool(l *loaded) {
	if h.inUse(l.Image().Path()) {
		return
	}
	if err := l.Image().Cool(); err != nil {
		h.log.Warn("return memory of an old generation", "generation", l.label, "err", err)
	}
}

// inUse reports whether an instance of any plugin that is not retired comes from the image with that path.
func (h *Host) inUse(path string) bool {
	return slices.ContainsFunc(h.plugins(), func(p *plugin) bool { return p.uses(path) })
}
