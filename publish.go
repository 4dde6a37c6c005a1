package sohost

import (
	"maps"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// publish writes the release that names the changed candidates beside what the current one names, and prunes what became
// too old. If the current release names them already (a boot) there is no new one. It returns the number of the release that
// a restart boots: after an error, the one before. What could not be published then goes into the next release.
func (h *Host) publish(why cause, changed []*candidate) (int, error) {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	begin := time.Now()
	for _, c := range changed {
		h.entries[c.plugin.name] = generations.Entry{
			Image: c.id, Source: c.file, Version: c.live.descriptor.Version, Skipped: c.live.passedOver,
		}
	}
	fresh := !maps.Equal(h.entries, h.release.Load().Plugins)
	if fresh {
		release, err := h.store.Publish(generations.Manifest{
			Cause: why.by, RollbackOf: why.rollbackOf, Plugins: h.entries,
		})
		if err != nil {
			return h.release.Load().Number, err
		}
		h.release.Store(&release)
	}
	if fresh || len(changed) > 0 { // what a release names that isn't new may not have served all the same
		h.published.raise()
	}
	number := h.release.Load().Number
	for _, c := range changed {
		c.phases.Publish = time.Since(begin)
		h.remember(generations.Event{
			Kind: why.kind, Plugin: c.plugin.name, From: c.from, To: c.id, Release: number, Detail: why.by,
			Phases: c.phases.byName(),
		})
	}
	if fresh && h.opts.Keep > 0 {
		if _, err := h.pruneLocked(generations.PruneOptions{Keep: h.opts.Keep}); err != nil {
			h.log.Warn("prune store", "err", err)
		}
	}
	return number, nil
}

// Prune removes old releases from the store, and the images that no remaining release names and this process has not opened.
// opts.InUse is set by the host.
func (h *Host) Prune(opts generations.PruneOptions) (generations.PruneReport, error) {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	return h.pruneLocked(opts)
}

// pruneLocked is Prune with publishMu held.
func (h *Host) pruneLocked(opts generations.PruneOptions) (report generations.PruneReport, err error) {
	// What was opened stays: its blocks stay on disk in any case as long as it is mapped, and if the same bytes came back as
	// another file, this process could never open that.
	held := map[string]bool{}
	for _, image := range native.Opened() {
		held[filepath.Base(image.Path())] = true
	}
	h.pins.exclude(func(pinned func(generations.ID) bool) {
		opts.InUse = func(id generations.ID) bool { return pinned(id) || held[id.String()+".so"] }
		report, err = h.store.Prune(opts)
	})
	return report, err
}

// Release is the number of the current release; 0 if there is none.
func (h *Host) Release() int { return h.release.Load().Number }

// remember adds an event to the history. The history is for people: a failure to write it holds nothing up.
func (h *Host) remember(e generations.Event) {
	e.Time = time.Now()
	if err := h.store.AppendEvent(e); err != nil {
		h.log.Warn("write history", "err", err)
	}
}
