package sohost

import (
	"fmt"

	"github.com/sohost/sohost/generations"
)

// Served is what a plugin's slot serves.
type Served struct {
	Image string            // the image's file in the store
	Args  map[string]string // the plugin's arguments; the caller owns the map
}

// Served returns what a plugin serves at the moment. The file is there for as long as it serves. The error matches ErrUnknownPlugin
// or generations.ErrEmpty.
func (h *Host) Served(plugin string) (Served, error) {
	p, err := h.plugin(plugin)
	if err != nil {
		return Served{}, err
	}
	g := p.serving()
	if g == nil {
		return Served{}, fmt.Errorf("plugin %s: %w", plugin, generations.ErrEmpty)
	}
	return Served{Image: g.Value().Image().Path(), Args: p.args()}, nil
}
