package sohost

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
)

// rounds gather the plugins whose files have changed, so that a build that writes many images is one deploy, see round. A change alone
// waits for nothing.
type rounds struct {
	host *Host

	mu      sync.Mutex           // guards what follows
	coming  map[*plugin]struct{} // their files have changed: they will join, or say that there is nothing to load yet
	within  map[*plugin]struct{} // have joined and have no result yet; they can't join again
	joined  []*change
	running bool // a goroutine takes what has joined
	fewer   wake // there are fewer coming
}

// change is a plugin's image that has changed.
type change struct {
	target
	done chan error // gets the result
}

// errAlone is the result of a change that is to be loaded by itself.
var errAlone = errors.New("reload it alone")

const (
	// gatherSettles is how many times Options.Settle a round waits for other files to be quiet, at most.
	gatherSettles = 4

	// gatherLimit is how long a round waits for plugins that are about to join, at most.
	gatherLimit = time.Second
)

func newRounds(h *Host) *rounds {
	return &rounds{host: h, coming: map[*plugin]struct{}{}, within: map[*plugin]struct{}{}, fewer: newWake()}
}

// expect says that the plugin's image has changed, and that it will join or leave. One that is forgotten won't.
func (r *rounds) expect(p *plugin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, is := r.within[p]; !is && p.known() == nil {
		r.coming[p] = struct{}{}
	}
}

// leave says that the plugin has nothing to load, or nothing yet.
func (r *rounds) leave(p *plugin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, p)
	r.fewer.up()
}

// reload loads the plugin's image as it is now, together with those of others that have changed. The result is as of Host.reload.
func (r *rounds) reload(p *plugin, first bool) error {
	c := &change{target{plugin: p, file: p.Image, onChange: true, first: first}, make(chan error, 1)}
	r.join(c)
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.within, p)
	}()
	if err := <-c.done; !errors.Is(err, errAlone) {
		return err
	}
	return r.host.reloadChange(c)
}

func (r *rounds) join(c *change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, c.plugin)
	r.fewer.up()
	r.within[c.plugin] = struct{}{}
	r.joined = append(r.joined, c)
	if !r.running {
		r.running = true
		r.host.tasks.Go(r.run)
	}
}

// run takes what has joined, until nothing has. One round begins when the one before has ended; what changes beside a slow one is
// loaded by itself.
func (r *rounds) run() {
	ended := make(chan struct{})
	close(ended)
	for {
		r.gather()
		changes := r.take()
		if changes == nil {
			return
		}
		if len(changes) > 1 && waitFor(ended, bootPatience) {
			ended = make(chan struct{})
			r.host.tasks.Go(func() {
				defer close(ended)
				r.host.reloadTogether(changes)
			})
			waitFor(ended, bootPatience)
			continue
		}
		for _, c := range changes {
			c.done <- errAlone
		}
	}
}

// take returns what has joined. Nothing has: then run is to end.
func (r *rounds) take() (changes []*change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changes, r.joined = r.joined, nil
	r.running = changes != nil
	return changes
}

// gather waits for what changes at the same time: for files that are not quiet yet, and for plugins that are about to join.
func (r *rounds) gather() {
	h := r.host
	quiet, cancel := context.WithTimeout(h.lifetime, gatherSettles*h.opts.Settle)
	defer cancel()
	select {
	case <-h.watcher.Calm():
	case <-quiet.Done():
	}
	limit, cancel := context.WithTimeout(h.lifetime, gatherLimit)
	defer cancel()
	for {
		r.mu.Lock()
		coming := len(r.coming)
		r.mu.Unlock()
		if coming == 0 {
			return
		}
		select {
		case <-r.fewer:
		case <-limit.Done():
			return
		}
	}
}

// waitFor waits until done is closed, but no longer than limit, and reports whether it is.
func waitFor(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

var imageChanged = cause{kind: generations.KindDeploy, by: "image changed"}

// reloadChange loads one changed image.
func (h *Host) reloadChange(c *change) error {
	_, err := h.reload(h.lifetime, []*plugin{c.plugin}, func() (order, error) { return order{imageChanged, []target{c.target}}, nil })
	return err
}
