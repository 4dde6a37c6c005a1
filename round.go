package sohost

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/sohost/sohost/generations"
)

// round reloads images that have changed at the same time: stored, checked and probed together, as at a boot, then each on its own, so
// that a bad one stops no other, and published as one release. It owns the plugins meanwhile.
type round struct {
	host *Host

	mu   sync.Mutex // guards what follows
	over bool       // the release is out
	all  batch      // what has flipped, for the release
	own  []*change  // whose plugins it owns until then
}

// reloadTogether is a round of the changes. Those whose plugins are not free at once get errAlone, and so do all that have not begun when a
// handover asks for the plugins.
func (h *Host) reloadTogether(changes []*change) {
	asked, err := h.mayReload(h.lifetime)
	if err != nil {
		for _, c := range changes {
			c.done <- err
		}
		return
	}
	h.reloads.Add(1)
	r := &round{host: h, all: batch{host: h, cause: imageChanged}}
	byPlugin, owned := r.take(changes)
	var running sync.WaitGroup
	for p := range h.ready(h.lifetime, generations.Release{}, owned, nil) {
		c := byPlugin[p]
		if asked.Err() != nil {
			c.end(errAlone)
			continue
		}
		done := make(chan struct{})
		running.Go(func() {
			defer close(done)
			r.one(c)
		})
		waitFor(done, bootPatience)
	}
	ended := make(chan struct{})
	h.tasks.Go(func() { running.Wait(); close(ended) })
	waitFor(ended, bootPatience)
	r.end()
	h.unready()
}

// mayReload waits until no boot and no handover runs. The context that it returns ends when a handover asks for the plugins.
func (h *Host) mayReload(ctx context.Context) (asked context.Context, err error) {
	if err := h.booted(ctx); err != nil {
		return nil, err
	}
	return h.turnstile.pass(ctx)
}

// take owns the plugins that are free, and returns them.
func (r *round) take(changes []*change) (byPlugin map[*plugin]*change, owned []*plugin) {
	byPlugin = map[*plugin]*change{}
	for _, c := range changes {
		select {
		case <-c.plugin.owner:
		default:
			c.done <- errAlone
			continue
		}
		if err := c.plugin.known(); err != nil {
			c.end(err)
			continue
		}
		byPlugin[c.plugin] = c
		owned = append(owned, c.plugin)
	}
	slices.SortFunc(owned, byName)
	return byPlugin, owned
}

// end gives the plugin back, and says what became of the change.
func (c *change) end(err error) {
	c.plugin.disown()
	c.done <- err
}

// one reloads one of the plugins.
func (r *round) one(c *change) {
	h := r.host
	b := &batch{host: h, cause: imageChanged}
	t := c.target
	t.before = h.readied.take(c.plugin.Name)
	err := b.try(h.lifetime, []target{t})
	b.endTrials()
	if err == nil {
		r.flipped(b, c)
		return
	}
	b.unpin()
	var failed *failure
	if errors.As(err, &failed) { // a handover may help
		err = errAlone
	}
	c.end(err)
}

// flipped takes what has flipped for the round's release. If that is out already, it publishes another.
func (r *round) flipped(b *batch, c *change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.all.candidates = append(r.all.candidates, b.candidates...)
		r.own = append(r.own, c)
		return
	}
	b.finish()
	b.unpin()
	c.end(nil)
}

// end publishes what has flipped by now.
func (r *round) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	slices.SortFunc(r.all.candidates, func(x, y *candidate) int { return byName(x.plugin, y.plugin) })
	r.all.finish()
	r.all.unpin()
	r.all.spareLater()
	for _, c := range r.own {
		c.end(nil)
	}
}
