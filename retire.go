package sohost

import (
	"context"
	"errors"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
)

// retireLater retires a generation in the background, once its last call has returned. It does nothing if g is nil.
func (h *Host) retireLater(p *plugin, g *generations.Generation[*loaded]) {
	if g == nil {
		return
	}
	p.mu.Lock()
	p.old = append(p.old, g)
	p.mu.Unlock()
	h.tasks.Go(func() {
		// No time limit: a call may take as long as it likes, and keeps its generation alive.
		err := g.Drain(context.Background())
		if err == nil {
			err = h.end(context.Background(), g.Value().Instance)
			g.Value().Row().Release()
		}
		p.mu.Lock()
		p.answered.retire(g)
		p.old = slices.DeleteFunc(p.old, func(o *generations.Generation[*loaded]) bool { return o == g })
		p.mu.Unlock()
		if !errors.Is(h.Serving(), ErrHandedOver) { // or the process ends soon
			h.cool(g.Value()) // only now: while the generation is in p.old its image is in use
			h.tell(generations.Event{Kind: generations.KindRetire, Plugin: p.Name, From: g.ID()})
		}
		h.log.Debug("retired", "plugin", p.Name, "generation", g.Value().label)
		if err != nil {
			h.log.Warn("retire", "plugin", p.Name, "generation", g.Value().label, "err", err)
		}
		h.retired.up()
	})
}

// end stops and closes an instance that nobody calls any more.
func (h *Host) end(ctx context.Context, in *instance.Instance) error {
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	return in.End(ctx)
}

// cool returns as much as possible of an image's memory to the kernel, unless another instance uses the image. The
// image stays callable: its pages are read in again if a later rollback, or a goroutine left behind, needs them.
func (h *Host) cool(l *loaded) {
	if h.inUse()(l.Image().Path()) {
		return
	}
	if err := l.Image().Cool(); err != nil {
		h.log.Warn("return memory of an old generation", "generation", l.label, "err", err)
	}
}

// inUse returns what reports whether an instance of any plugin that isn't retired yet comes from the image at a path.
func (h *Host) inUse() func(path string) bool {
	used := map[string]bool{}
	for _, p := range h.plugins() {
		for _, path := range p.uses() {
			used[path] = true
		}
	}
	return func(path string) bool { return used[path] }
}
