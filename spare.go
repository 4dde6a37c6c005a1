package sohost

import (
	"time"

	"github.com/sohost/sohost/internal/instance"
)

// SpareProbe describes the child process in which the next image will be probed. It is started after a reload, so that the next one
// doesn't wait for it; a host that never reloads has none. It ends when it was not needed for ten minutes.
type SpareProbe = instance.Spare

// spareDelay is how long after a reload the child of the next probe is started, if no other reload has begun by then: what a reload
// sets off, such as the end of the old generation, comes first.
const spareDelay = 200 * time.Millisecond

// spareLater makes a spare child of the probe in the background if the reload, which ends with this call, has needed one. The caller owns the
// plugins.
func (b *batch) spareLater() {
	h := b.host
	h.reloads.Add(-1)
	var probed *candidate
	for _, c := range b.candidates {
		if _, was := c.move.Phases[PhaseProbe]; was {
			probed = c
		}
	}
	if probed == nil || h.Serving() != nil {
		return
	}
	o := h.probeOptions(probed.plugin.Probe == Unwalled)
	time.AfterFunc(spareDelay, func() { // nobody waits for it: once the loader is closed nothing is made
		if h.reloads.Load() > 0 { // it makes one in its turn
			return
		}
		if err := h.loader.MakeSpare(o); err != nil {
			h.log.Warn("the next probe takes longer", "err", err)
		}
	})
}
