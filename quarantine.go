package sohost

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/generations"
)

// Quarantines lists the images in quarantine, the oldest first.
func (h *Host) Quarantines() ([]generations.Quarantine, error) { return h.store.Quarantines() }

// LiftQuarantine allows the image whose id begins with prefix to be tried again, and returns the record that stood against it. The
// error matches generations.ErrNotQuarantined when no image in quarantine has such an id, generations.ErrAmbiguous when several
// do, and ErrClosed or ErrHandedOver.
func (h *Host) LiftQuarantine(prefix string) (generations.Quarantine, error) {
	q, err := h.store.LiftQuarantine(prefix)
	switch ended := h.Serving(); {
	case err != nil && ended != nil: // the store is another process's
		return q, ended
	case errors.Is(err, generations.ErrNotQuarantined):
		return q, fmt.Errorf("%w; `sohost quarantine` lists those that are", err)
	case errors.Is(err, generations.ErrAmbiguous):
		return q, fmt.Errorf("%w; give more of the id", err)
	case err != nil:
		return q, err
	}
	h.forgive(q.Image)
	return q, nil
}

// forgive lets a change of a plugin's file load an image again that was refused for its quarantine.
func (h *Host) forgive(id generations.ID) {
	for _, p := range h.plugins() {
		p.mu.Lock()
		if p.refused != nil && p.refused.Image == id {
			p.refused = nil
		}
		p.mu.Unlock()
	}
}
