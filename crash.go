package sohost

import (
	"fmt"

	"github.com/sohost/sohost/generations"
)

// quarantined is why an image must not be tried, or nil.
func (h *Host) quarantined(id generations.ID) error {
	q, is, err := h.store.Quarantined(id)
	if err != nil || !is {
		return err
	}
	return fmt.Errorf("%w since %s: %s; if that was not its fault, `sohost quarantine --lift %s` lets it be tried again",
		ErrQuarantined, q.Time.Local().Format("2006-01-02 15:04:05"), q.Reason, id.Short())
}
