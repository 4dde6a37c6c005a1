package sohost

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// rehearsalSize is how many images one probe opens at a boot. That takes hardly longer than one image alone, until it gets to many;
// and with one that fails, all of them are probed again.
const rehearsalSize = 8

// readied is what a boot, or a round, has found out about its images before it opens them. The zero value knows nothing.
type readied struct {
	mu        sync.Mutex              // guards what follows
	added     map[*plugin]added       // the image of its file, stored and pinned
	verified  map[generations.ID]bool // stored images whose contents are right
	rehearsed map[generations.ID]bool // images that could be opened in a probe
	took      map[string]Phases       // by plugin: how long that took
}

// added is an image that was stored from a plugin's file.
type added struct {
	generations.Object
	seen string // the file's watch.Signature just before
}

// reset makes it one that can be filled. The caller holds mu.
func (r *readied) reset() {
	r.added, r.verified = map[*plugin]added{}, map[generations.ID]bool{}
	r.rehearsed, r.took = map[generations.ID]bool{}, map[string]Phases{}
}

func (r *readied) isVerified(id generations.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verified[id]
}

func (r *readied) isRehearsed(id generations.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rehearsed[id]
}

// stored returns the image of the plugin's file, pinned once more.
func (r *readied) stored(p *plugin) (image added, has bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if image, has = r.added[p]; has {
		p.host.ledger.Pin(image.ID)
	}
	return image, has
}

// take returns how long was worked for a plugin, for its first candidate.
func (r *readied) take(plugin string) Phases {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := r.took[plugin]
	delete(r.took, plugin)
	return took
}

// spent notes how long a phase of a plugin took.
func (r *readied) spent(plugin string, phase Phase, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.took[plugin] == nil {
		r.took[plugin] = Phases{}
	}
	r.took[plugin][phase] += time.Since(since)
}

// ready stores, verifies and probes what the plugins will boot, as much at a time as there are processors. What it finds nothing
// good about is left to the boot itself, which finds out the reason. The channel gets each plugin when it is ready, and is then
// closed.
func (h *Host) ready(ctx context.Context, release generations.Release, plugins []*plugin, leftOut map[string]bool) <-chan *plugin {
	readied := make(chan *plugin, len(plugins))
	h.readied.mu.Lock()
	h.readied.reset()
	h.readied.mu.Unlock()
	h.tasks.Go(func() {
		defer close(readied)
		groups := slices.Collect(slices.Chunk(plugins, rehearsalSize))
		atOnce(groups, func(_ int, group []*plugin) {
			if len(plugins) > 1 {
				h.readyGroup(ctx, release, slices.DeleteFunc(slices.Clone(group), func(p *plugin) bool { return leftOut[p.Name] }))
			}
			for _, p := range group {
				readied <- p
			}
		})
	})
	return readied
}

// readyGroup is ready for plugins that are probed together.
func (h *Host) readyGroup(ctx context.Context, release generations.Release, group []*plugin) {
	found := make([]generations.Object, len(group))
	atOnce(group, func(i int, p *plugin) {
		if ctx.Err() != nil {
			return
		}
		var object generations.Object
		var usable bool
		if entry, known := release.Plugins[p.Name]; known {
			object, usable = h.readyStored(ctx, p, entry.Image)
		} else {
			object, usable = h.readyFile(ctx, p)
		}
		if usable && h.mayRehearse(p, object) {
			found[i] = object
		}
	})
	var objects []generations.Object
	for _, o := range found {
		if !o.ID.IsZero() && !slices.ContainsFunc(objects, func(other generations.Object) bool { return other.ID == o.ID }) {
			objects = append(objects, o)
		}
	}
	begun := time.Now()
	if h.rehearse(ctx, objects) {
		for i, p := range group {
			if !found[i].ID.IsZero() {
				h.readied.spent(p.Name, PhaseProbe, begun)
			}
		}
	}
}

// mayRehearse reports whether an image may be probed with others: nothing speaks against it, and beside what serves nobody wants to see it.
func (h *Host) mayRehearse(p *plugin, image generations.Object) bool {
	if p.Probe == Unwalled || h.judge.Quarantined(image.ID) != nil || h.loader.IsOpen(image.Path) {
		return false
	}
	r := p.refusal()
	return (r == nil || r.Image != image.ID) && (h.booting() != nil || native.IsSealed(image.Path))
}

// readyStored verifies a stored image.
func (h *Host) readyStored(ctx context.Context, p *plugin, id generations.ID) (generations.Object, bool) {
	defer h.readied.spent(p.Name, PhaseStore, time.Now())
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
	if p.mayLoad(p.Image) != nil {
		return generations.Object{}, false
	}
	begun, seen := time.Now(), watch.Signature(p.Image)
	object, err := h.ledger.Add(ctx, p.Image)
	h.readied.spent(p.Name, PhaseStore, begun)
	if err != nil {
		return object, false
	}
	h.readied.mu.Lock()
	h.readied.added[p] = added{object, seen}
	h.readied.mu.Unlock()
	defer h.readied.spent(p.Name, PhaseCheck, time.Now())
	return object, h.loader.Check(object.Path, p.API) == nil
}

// rehearsalLimit is how long a probe of several images may take: one that is slow must not hold up the others.
const rehearsalLimit = bootPatience

// rehearse probes images together, and reports whether all is well. If one of a group fails, or is slow, each of them is probed alone
// when its turn comes, to find out which one is at fault.
//
// No trial is on record meanwhile, as it wouldn't say which image it was. So the images are not rehearsed where they could
// reach this process, nor after a crash.
func (h *Host) rehearse(ctx context.Context, objects []generations.Object) bool {
	if len(objects) < 2 || h.opts.Process.CrashesInARow > 0 || ctx.Err() != nil {
		return false
	}
	var paths []string
	for _, o := range objects {
		paths = append(paths, o.Path)
	}
	o := h.probeOptions(false)
	o.MustHold, o.Limit = true, min(o.Limit, rehearsalLimit)
	if _, err := h.loader.Probe(ctx, o, paths...); err != nil {
		h.log.Debug("images are probed one by one", "images", len(objects), "err", err)
		return false
	}
	h.readied.mu.Lock()
	defer h.readied.mu.Unlock()
	for _, o := range objects {
		h.readied.rehearsed[o.ID] = true
	}
	return true
}

// unready releases what ready has pinned. It is for the end of the boot or round.
func (h *Host) unready() {
	r := &h.readied
	r.mu.Lock()
	added := r.added
	r.added, r.verified, r.rehearsed, r.took = nil, nil, nil, nil
	r.mu.Unlock()
	for p, image := range added {
		p.unpin(image.ID, true)
	}
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
