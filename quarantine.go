package sohost

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/generations"
)

// Quarantines returns the images in quarantine, oldest first.
func (h *Host) Quarantines() ([]generations.Quarantine, error) { return h.store.Quarantines() }

// LiftQuarantine removes the image whose ID begins with prefix from quarantine, so that it may be loaded again, and
// returns its record. The error matches generations.ErrNotQuarantined if no image in quarantine has such an ID,
// generations.ErrAmbiguous if several have, or it is ErrClosed or ErrHandedOver.
func (h *Host) LiftQuarantine(prefix string) (generations.Quarantine, error) {
	q, err := h.store.LiftQuarantine(prefix)
	switch ended := h.Serving(); {
	case err != nil && ended != nil: // closed or another process's: say that, and not what the store says
		return q, ended
	case errors.Is(err, generations.ErrNotQuarantined):
		return q, fmt.Errorf("%w; `sohost quarantine` lists those that are", err)
	case errors.Is(err, generations.ErrAmbiguous):
		return q, fmt.Errorf("%w; give more of the id", err)
	case err != nil:
		return q, err
	}
	h.forgive(q.Image)
	h.forgiven.up()
	return q, nil
}

// forgive clears refusals of the image, so that a change event loads it again.
func (h *Host) forgive(id generations.ID) {
	for _, p := range h.plugins() {
		p.mu.Lock()
		if p.refused != nil && p.refused.Image == id {
			p.refused = nil
		}
		p.mu.Unlock()
	}
}
