package sohost

import (
	"fmt"
	"maps"
	"time"

	"github.com/sohost/sohost/generations"
)

// unnamed returns the entries of images that were ordered and serve already, although the release names others: see
// target.unpublished.
func (b *batch) unnamed() map[string]generations.Entry {
	named, unnamed := b.host.ledger.Entries(), map[string]generations.Entry{}
	for _, c := range b.candidates {
		if e, has := named[c.plugin.Name]; has && c.move.Unchanged && !c.onChange && e.Image != c.move.To {
			unnamed[c.plugin.Name] = c.entry(c.old.serves.Value())
		}
	}
	return unnamed
}

// entry returns the entry of a release for what serves of the candidate's image.
func (c *candidate) entry(l *loaded) generations.Entry {
	return generations.Entry{Image: c.move.To, Source: c.file, Version: l.Image().Version(), Skipped: l.skipped}
}

// publish writes a release that names the changed candidates, and has the entries, beside what the current one names for all other
// plugins, and records it in the history. It returns the number of the release that a restart boots, and a warning if that isn't
// the new one.
func (h *Host) publish(why cause, changed []*candidate, more map[string]generations.Entry) (release int, warning string) {
	entries := map[string]generations.Entry{}
	maps.Copy(entries, more)
	for _, c := range changed {
		if !c.unpublished {
			entries[c.plugin.Name] = c.entry(c.next)
		}
	}
	release, err := h.ledger.Publish(why.by, why.rollbackOf, entries, func(release int, took time.Duration) {
		for _, c := range changed {
			c.move.Phases[PhasePublish] = took
			h.ledger.Note(generations.Event{
				Kind: why.kind, Plugin: c.plugin.Name, From: c.move.From, To: c.move.To, Release: release, Detail: why.by,
				Phases: c.move.Phases.byName(), State: string(c.move.State.Way), Lost: c.move.State.Lost,
				Crossing: c.move.Crossing,
			})
		}
	})
	if err != nil {
		h.log.Error("publish release", "err", err, "boots", release)
		warning = fmt.Sprintf("publish release: %v; the new generations serve, but a restart boots release %d", err, release)
	}
	return release, warning
}
