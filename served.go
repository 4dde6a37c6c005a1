package sohost

import (
	"fmt"
	"maps"

	"github.com/sohost/sohost/generations"
)

// Served is what a plugin's slot serves.
type Served struct {
	Image  string            // the image's file in the store
	Args   map[string]string // the plugin's arguments that are texts; the caller owns the map
	Values map[string]any    // the others; nobody may change it
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
	s := Served{Image: g.Value().Image().Path(), Args: map[string]string{}, Values: p.Values}
	maps.Copy(s.Args, p.Args)
	return s, nil
}
