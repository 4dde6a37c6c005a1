package sohost

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/routes"
)

// ErrDisabled is returned when a plugin is one of Options.Disabled.
var ErrDisabled = errors.New("the plugin is disabled")

// Disabled is a plugin that is not to run. Its routes stay its own, so that no other plugin gets requests that are not meant for it:
// they are answered with 503. Its state is in its last checkpoint, and it goes on from there once it is configured again.
type Disabled struct {
	Name   string   `json:"name"`
	Routes []string `json:"routes"` // as in Plugin, with the paths of its triggers and the routes of its chains
}

// resolve cleans the routes of disabled plugins, and checks that they and the names are nobody else's. names has the names and taken the routes that are taken.
func resolveDisabled(given []Disabled, names map[string]bool, taken map[string]string) ([]Disabled, error) {
	var errs []error
	var resolved []Disabled
	for _, d := range given {
		if !generations.ValidName(d.Name) || names[d.Name] {
			errs = append(errs, fmt.Errorf("disabled plugin %q: the name is wrong, or taken", d.Name))
		}
		names[d.Name] = true
		clean := make([]string, 0, len(d.Routes))
		for _, r := range d.Routes {
			r, err := routes.Clean(r)
			if err != nil {
				errs = append(errs, fmt.Errorf("disabled plugin %s: route: %w", d.Name, err))
				continue
			}
			if other, is := taken[r]; is && other != d.Name {
				errs = append(errs, fmt.Errorf("disabled plugin %s: route %s is %s's already", d.Name, r, other))
			}
			taken[r] = d.Name
			clean = append(clean, r)
		}
		resolved = append(resolved, Disabled{d.Name, clean})
	}
	return resolved, errors.Join(errs...)
}

// refuseDisabled has the routes of disabled plugins answered, but for those that a plugin has.
func (h *Host) refuseDisabled() {
	table := h.table.Load()
	for _, d := range h.opts.Disabled {
		stands := &plugin{Plugin: Plugin{Name: d.Name}, host: h} // for messages: the table has no plugin of that name
		for _, r := range d.Routes {
			table = table.WithRoute(r, stands, routeNote{disabled: true})
		}
	}
	h.table.Store(table)
}

// isDisabled reports whether a plugin is disabled.
func (o *Options) isDisabled(name string) bool {
	return slices.ContainsFunc(o.Disabled, func(d Disabled) bool { return d.Name == name })
}

// answerDisabled answers a request for a plugin that is disabled.
func (p *plugin) answerDisabled(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "30")
	http.Error(w, fmt.Sprintf("plugin %s is out of service: it is disabled", p.Name), http.StatusServiceUnavailable)
}

// vanished returns the plugins that the release has from Options.Dir, and whose file is gone: they go on until they are removed.
func (h *Host) vanished(release generations.Release) (configs []Plugin) {
	if h.opts.Dir == "" || h.opts.Process.Handover == nil {
		return nil
	}
	for name, e := range release.Plugins {
		file := filepath.Join(h.opts.Dir, name+".so")
		_, known := h.table.Load().Named(name)
		_, taken := h.table.Load().At("/" + name)
		if e.Source != file || known || taken || exists(file) || h.opts.isDisabled(name) {
			continue
		}
		if config, err := pluginOfFile(file).resolve(); err == nil {
			configs = append(configs, config)
		}
	}
	return configs
}
