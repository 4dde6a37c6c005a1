package metrics

import (
	"maps"
	"slices"

	"github.com/sohost/sohost"
)

// perPlugin returns a family with one sample for each plugin for which of reports true.
func perPlugin(name, kind, help string, of func(p *sohost.PluginStatus) (float64, bool)) family {
	return family{name, kind, help, func(s *status, add func(float64, ...string)) {
		for i := range s.Plugins {
			if value, has := of(&s.Plugins[i]); has {
				add(value, "plugin", s.Plugins[i].Name)
			}
		}
	}}
}

// perGeneration returns a family with one sample for each generation that has an instance.
func perGeneration(name, help string, of func(g *sohost.GenerationStatus) float64) family {
	return family{name, "gauge", help, func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			for _, g := range p.Generations {
				add(of(&g), "plugin", p.Name, "generation", g.ID.Short(), "state", string(g.State))
			}
		}
	}}
}

var ofPlugins = []family{
	{"sohost_plugin_info", "gauge", "1, with what serves.", func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			if !p.Generation.IsZero() {
				add(1, "plugin", p.Name, "generation", p.Generation.Short(), "version", p.Version, "mode", string(p.Mode))
			}
		}
	}},
	perPlugin("sohost_plugin_serving", "gauge", "Whether the plugin serves.", func(p *sohost.PluginStatus) (float64, bool) {
		return truth(!p.Generation.IsZero()), true
	}),
	perPlugin("sohost_plugin_refused", "gauge", "Whether the plugin's newest image was not taken.", func(p *sohost.PluginStatus) (float64, bool) {
		return truth(p.Refused != nil), true
	}),
	perPlugin("sohost_plugin_since_seconds", "gauge", "When the image was loaded that serves.", func(p *sohost.PluginStatus) (float64, bool) {
		return at(p.Since), !p.Since.IsZero()
	}),
	perPlugin("sohost_plugin_callers_waiting", "gauge", "Calls that wait while state moves.", func(p *sohost.PluginStatus) (float64, bool) {
		return float64(p.Waiting), true
	}),
	perPlugin("sohost_plugin_held_total", "counter", "How often new calls had to wait in this worker.", func(p *sohost.PluginStatus) (float64, bool) {
		return float64(p.Held.Times), true
	}),
	perPlugin("sohost_plugin_held_seconds_total", "counter", "For how long new calls had to wait in this worker.", func(p *sohost.PluginStatus) (float64, bool) {
		return p.Held.Total.Seconds(), true
	}),
	perPlugin("sohost_plugin_checkpoint_time_seconds", "gauge", "When the last checkpoint was written.", func(p *sohost.PluginStatus) (float64, bool) {
		if p.Checkpoint == nil || p.Checkpoint.Written.IsZero() {
			return 0, false
		}
		return at(p.Checkpoint.Written), true
	}),
	perPlugin("sohost_plugin_checkpoint_bytes", "gauge", "Size of the last checkpoint.", func(p *sohost.PluginStatus) (float64, bool) {
		if p.Checkpoint == nil {
			return 0, false
		}
		return float64(p.Checkpoint.Bytes), true
	}),
	perPlugin("sohost_plugin_checkpoint_failures", "gauge", "Failed attempts since the last checkpoint.", func(p *sohost.PluginStatus) (float64, bool) {
		switch {
		case p.Checkpoint == nil:
			return 0, false
		case p.Checkpoint.Failed == nil:
			return 0, true
		}
		return float64(p.Checkpoint.Failed.Attempts), true
	}),
	{"sohost_plugin_reload_phase_seconds", "gauge", "How long each phase of the last reload took.", func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			if p.Last == nil {
				continue
			}
			for _, phase := range slices.Sorted(maps.Keys(p.Last.Phases)) {
				add(p.Last.Phases[phase].Seconds(), "plugin", p.Name, "phase", string(phase))
			}
		}
	}},
	perGeneration("sohost_generation_calls", "Calls that run.", func(g *sohost.GenerationStatus) float64 { return float64(g.Leases) }),
	perGeneration("sohost_generation_memory_bytes", "What the image keeps resident.", func(g *sohost.GenerationStatus) float64 {
		return float64(g.Memory.Resident)
	}),
}
