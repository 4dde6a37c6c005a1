package sohost

import (
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
)

// confirmLater confirms each release once it has served for its probation.
func (h *Host) confirmLater() {
	h.tasks.Go(func() {
		over := time.After(h.opts.Probation) // the current release may be unconfirmed since the last process
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

// confirm confirms the current release, if every plugin serves what it names.
func (h *Host) confirm() {
	release, err := h.ledger.Confirm(h.serves)
	switch {
	case release != 0:
		h.log.Info("confirmed", "release", release)
		h.forgetKept()
	case err != nil && h.Serving() == nil: // else another process may have the store
		h.log.Warn("confirm release", "err", err)
	}
	if h.Serving() == nil {
		h.lift() // even if another plugin keeps the release from being confirmed
	}
}

// serves reports whether each plugin serves the image that r names for it. A release with a plugin that was left out at
// the boot hasn't proved itself. serves is called with the ledger locked, so it takes no owner token and calls nothing
// of the ledger.
func (h *Host) serves(r generations.Release) bool {
	return h.Serving() == nil && !slices.ContainsFunc(h.plugins(), func(p *plugin) bool {
		entry, named := r.Plugins[p.Name]
		return named && entry.Image != p.servingID()
	})
}
