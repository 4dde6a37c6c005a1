package sohost

import (
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
)

// confirmLater confirms each release that has served for as long as its probation takes.
func (h *Host) confirmLater() {
	h.tasks.Go(func() {
		over := time.After(h.opts.Probation) // the current release may have been left unconfirmed
		for {
			select {
			case <-h.ledger.Published():
				over = time.After(h.opts.Probation)
			case <-over:
				h.confirm()
			case <-h.lifetime.Done():
				return
			}
		}
	})
}

// confirm makes the current release the one to fall back to, if all that it names serves.
func (h *Host) confirm() {
	release, err := h.ledger.Confirm(h.serves)
	switch {
	case release != 0:
		h.log.Info("confirmed", "release", release)
	case err != nil && h.Serving() == nil: // else another process may have the store
		h.log.Warn("confirm release", "err", err)
	}
}

// serves reports whether each plugin serves what the release says. One that was left out at the boot has not proved itself.
func (h *Host) serves(r generations.Release) bool {
	return h.Serving() == nil && !slices.ContainsFunc(h.plugins(), func(p *plugin) bool {
		entry, named := r.Plugins[p.Name]
		return named && entry.Image != p.servingID()
	})
}
