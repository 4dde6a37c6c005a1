package sohost

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/generations"
)

// quarantined is why an image must not be tried, or nil.
func (h *Host) quarantined(id generations.ID) error {
	q, is, err := h.store.Quarantined(id)
	if err != nil { // that holds for all images: better to serve a bad one than none
		h.log.Error("quarantine", "image", id.Short(), "err", err)
		return nil
	}
	if !is {
		return nil
	}
	return fmt.Errorf("%w since %s: %s; if that was not its fault, `sohost quarantine --lift %s` lets it be tried again",
		ErrQuarantined, q.Time.Local().Format("2006-01-02 15:04:05"), q.Reason, id.Short())
}

// Quarantines lists the images in quarantine, the oldest first.
func (h *Host) Quarantines() ([]generations.Quarantine, error) { return h.store.Quarantines() }

// LiftQuarantine allows the image whose id begins with prefix to be tried again, and returns the record that stood against
// it. The error matches generations.ErrNotQuarantined when no image in quarantine has such an id, and
// generations.ErrAmbiguous when several do.
func (h *Host) LiftQuarantine(prefix string) (generations.Quarantine, error) {
	q, err := h.store.LiftQuarantine(prefix)
	switch {
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

// forgive lets a change of a plugin's file bring an image again that was refused for its quarantine.
func (h *Host) forgive(id generations.ID) {
	for _, p := range h.index.Load().sorted() {
		p.mu.Lock()
		if p.refused != nil && p.refused.Image == id {
			p.refused = nil
		}
		p.mu.Unlock()
	}
}
