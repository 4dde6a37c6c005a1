package sohost

import (
	"time"

	"github.com/sohost/sohost/internal/watch"
)

// noteSeen notes the signatures of files that have the image which their plugin serves. A file that is loaded when it has just changed has
// none yet, so the taker would read and check all of them again when the callers come to it. It does so with those that aren't read here in
// the time that a Status has for that, and with those that have another image: a reload of that may be under way. The plugins are owned.
func (g *giver) noteSeen() {
	deadline := time.Now().Add(hashing)
	atOnce(g.plugins, func(_ int, p *plugin) {
		if p.Mode != Dev || p.fileSeen != "" || p.fileImage.IsZero() || p.fileImage != p.servingID() || time.Now().After(deadline) {
			return
		}
		seen := watch.Signature(p.Image) // before it is read: another one would have another signature
		if seen == "" {
			return
		}
		if id, err := idOf(p.Image); err == nil && id == p.fileImage {
			p.fileSeen = seen
		}
	})
}
