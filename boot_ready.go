package sohost

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/sohost/sohost/generations"
)

// rehearsalSize is how many images one probe opens at a boot. That takes hardly longer than one image alone, until it gets to many;
// and with one that fails, all of them are probed again.
const rehearsalSize = 8

// readied is what a boot has found out about its images before it opens them, one after the other. The zero value knows nothing.
type readied struct {
	mu        sync.Mutex                    // guards the maps while they are filled; afterwards they don't change
	added     map[string]generations.Object // by plugin: the image of its file, stored and pinned
	verified  map[generations.ID]bool       // stored images whose contents are right
	rehearsed map[generations.ID]bool       // images that could be opened in a probe
}

// ready stores, verifies and probes what the plugins will boot, as much at a time as there are processors. What it finds nothing
// good about is left to the boot itself, which finds out the reason.
func (h *Host) ready(ctx context.Context, release generations.Release, leftOut map[string]bool) {
	plugins := slices.DeleteFunc(h.plugins(), func(p *plugin) bool { return leftOut[p.Name] })
	if len(plugins) < 2 {
		return
	}
	r := &h.readied
	r.added, r.verified, r.rehearsed = map[string]generations.Object{}, map[generations.ID]bool{}, map[generations.ID]bool{}
	found := make([]generations.Object, len(plugins))
	atOnce(plugins, func(i int, p *plugin) {
		var object generations.Object
		var usable bool
		if entry, known := release.Plugins[p.Name]; known {
			object, usable = h.readyStored(ctx, entry.Image)
		} else {
			object, usable = h.readyFile(ctx, p)
		}
		if usable && p.Probe != Unwalled && h.judge.Quarantined(object.ID) == nil {
			found[i] = object
		}
	})
	var objects []generations.Object
	for _, o := range found {
		if !o.ID.IsZero() && !slices.ContainsFunc(objects, func(other generations.Object) bool { return other.ID == o.ID }) {
			objects = append(objects, o)
		}
	}
	h.rehearse(ctx, objects)
}

// readyStored verifies a stored image.
func (h *Host) readyStored(ctx context.Context, id generations.ID) (generations.Object, bool) {
	object, err := h.store.Object(id)
	if err != nil || h.store.Verify(ctx, id) != nil {
		return object, false
	}
	h.readied.mu.Lock()
	defer h.readied.mu.Unlock()
	h.readied.verified[id] = true
	return object, true
}

// readyFile stores and checks the image in the plugin's file.
func (h *Host) readyFile(ctx context.Context, p *plugin) (generations.Object, bool) {
	object, err := h.ledger.Add(ctx, p.Image)
	if err != nil {
		return object, false
	}
	h.readied.mu.Lock()
	h.readied.added[p.Name] = object
	h.readied.mu.Unlock()
	return object, h.loader.Check(object.Path) == nil
}

// rehearse probes images together. If one of a group fails, each of that is probed alone when its turn comes, to find out which one
// is at fault.
//
// No trial is on record meanwhile, as it wouldn't say which image it was. So the images are not rehearsed where they could
// reach this process, nor after a crash.
func (h *Host) rehearse(ctx context.Context, objects []generations.Object) {
	if len(objects) < 2 || h.opts.Process.CrashesInARow > 0 {
		return
	}
	groups := slices.Collect(slices.Chunk(objects, rehearsalSize))
	atOnce(groups, func(_ int, group []generations.Object) {
		var paths []string
		for _, o := range group {
			paths = append(paths, o.Path)
		}
		o := h.probeOptions(false)
		o.MustHold = true
		if _, err := h.loader.Probe(ctx, o, paths...); err != nil {
			h.log.Debug("images are probed one by one", "images", len(group), "err", err)
			return
		}
		h.readied.mu.Lock()
		defer h.readied.mu.Unlock()
		for _, o := range group {
			h.readied.rehearsed[o.ID] = true
		}
	})
}

// unready releases what ready has pinned. It is for the end of the boot.
func (h *Host) unready() {
	for _, object := range h.readied.added {
		h.ledger.Unpin(object.ID)
	}
	h.readied = readied{}
}

// atOnce calls do for each element, as many at a time as there are processors, and waits.
func atOnce[T any](all []T, do func(i int, v T)) {
	var tasks sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, v := range all {
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			do(i, v)
		})
	}
	tasks.Wait()
}
