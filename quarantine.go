package sohost

import (
	"fmt"
	"strings"

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

// LiftQuarantine lets an image be tried again, of which the beginning of the id is given, and returns what stood against it.
// The error is generations.ErrNotQuarantined if there is none.
func (h *Host) LiftQuarantine(prefix string) (generations.Quarantine, error) {
	all, err := h.store.Quarantines()
	if err != nil {
		return generations.Quarantine{}, err
	}
	var found []generations.Quarantine
	for _, q := range all {
		if prefix != "" && strings.HasPrefix(q.Image.String(), prefix) {
			found = append(found, q)
		}
	}
	switch len(found) {
	case 0:
		return generations.Quarantine{}, fmt.Errorf("image %q: %w; `sohost quarantine` lists those that are", prefix, generations.ErrNotQuarantined)
	case 1:
	default:
		return generations.Quarantine{}, fmt.Errorf("image %q: %d images in quarantine begin so; give more of its id", prefix, len(found))
	}
	if err := h.store.LiftQuarantine(found[0].Image); err != nil {
		return generations.Quarantine{}, err
	}
	h.forgive(found[0].Image)
	return found[0], nil
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
