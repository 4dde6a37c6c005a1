package sohost

import (
	"maps"
	"time"

	"github.com/sohost/sohost/generations"
)

// publish writes the release that names the changed candidates beside what the current one names, and prunes what became
// too old. If the current release names them already (a boot) there is no new one. It returns the number of the release that
// a restart boots: after an error, the one before.
func (h *Host) publish(why cause, changed []*candidate) (int, error) {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	begin := time.Now()
	m := generations.Manifest{
		Cause:      why.by,
		RollbackOf: why.rollbackOf,
		Plugins:    maps.Clone(h.release.Plugins),
	}
	if m.Plugins == nil {
		m.Plugins = map[string]generations.Entry{}
	}
	fresh := false
	for _, c := range changed {
		fresh = fresh || m.Plugins[c.plugin.name].Image != c.id
		m.Plugins[c.plugin.name] = generations.Entry{
			Image: c.id, Source: c.file, Version: c.live.descriptor.Version, RolledBackFrom: c.live.rolledBackFrom,
		}
	}
	if fresh {
		release, err := h.store.Publish(m)
		if err != nil {
			return h.release.Number, err
		}
		h.release = release
	}
	for _, c := range changed {
		c.phases.Publish = time.Since(begin)
		h.remember(generations.Event{
			Kind: why.kind, Plugin: c.plugin.name, From: c.from, To: c.id, Release: h.release.Number, Detail: why.by,
			Phases: c.phases.byName(),
		})
	}
	if fresh && h.opts.Keep > 0 {
		if _, err := h.pruneLocked(generations.PruneOptions{Keep: h.opts.Keep}); err != nil {
			h.log.Warn("prune store", "err", err)
		}
	}
	return h.release.Number, nil
}

// Prune removes old releases from the store, and the images that no remaining release names and no generation in this
// process uses. opts.Held is set by the host.
func (h *Host) Prune(opts generations.PruneOptions) (generations.PruneReport, error) {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	return h.pruneLocked(opts)
}

// pruneLocked is Prune with publishMu held.
func (h *Host) pruneLocked(opts generations.PruneOptions) (report generations.PruneReport, err error) {
	h.pins.exclude(func(pinned func(generations.ID) bool) {
		opts.Held = func(id generations.ID) bool { return pinned(id) || h.serving(id) }
		report, err = h.store.Prune(opts)
	})
	return report, err
}

// Release is the number of the current release; 0 if there is none.
func (h *Host) Release() int {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	return h.release.Number
}

// serving says whether a generation that has not been retired comes from the image.
func (h *Host) serving(id generations.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.plugins {
		if p.uses(id) {
			return true
		}
	}
	return false
}

func (p *plugin) uses(id generations.ID) bool {
	if p.currentID() == id {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.old {
		if g.Value().id == id {
			return true
		}
	}
	return false
}

// remember adds an event to the history. The history is for people: a failure to write it holds nothing up.
func (h *Host) remember(e generations.Event) {
	e.Time = time.Now()
	if err := h.store.AppendEvent(e); err != nil {
		h.log.Warn("write history", "err", err)
	}
}
