package metrics

import (
	"maps"
	"slices"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/sinks"
)

// families are all metrics, in the order of the text. Counters of plugins, triggers and sinks begin anew with each worker unless they
// travel in handovers, as those of triggers do.
var families = slices.Concat(ofServer, ofPlugins, ofTriggers, ofSinks)

var ofServer = []family{
	{"sohost_ready", "gauge", "Whether a worker serves and the server is not about to stop.", func(s *status, add func(float64, ...string)) {
		add(truth(s.ready))
	}},
	{"sohost_start_time_seconds", "gauge", "When the server was started.", func(s *status, add func(float64, ...string)) {
		add(at(s.Started))
	}},
	{"sohost_memory_bytes", "gauge", "Resident memory, by process.", func(s *status, add func(float64, ...string)) {
		add(float64(s.SupervisorMemory), "process", "supervisor")
		if s.Worker != nil {
			add(float64(s.Worker.Memory), "process", "worker")
		}
		var draining int64
		for _, d := range s.Draining {
			draining += d.Memory
		}
		add(float64(draining), "process", "draining")
	}},
	{"sohost_draining_workers", "gauge", "Old workers that finish their requests.", func(s *status, add func(float64, ...string)) {
		add(float64(len(s.Draining)))
	}},
	ofWorker("sohost_release", "Number of the current release.", func(s *status) float64 { return float64(s.Release) }),
	ofWorker("sohost_confirmed_release", "Number of the last release that has passed its probation.", func(s *status) float64 { return float64(s.Confirmed) }),
	ofWorker("sohost_open_images", "Images that the worker has open.", func(s *status) float64 { return float64(s.Generations) }),
	ofWorker("sohost_old_images", "Open images that no plugin uses any more.", func(s *status) float64 { return float64(s.Left.Generations) }),
	ofWorker("sohost_old_memory_bytes", "What these keep resident.", func(s *status) float64 { return float64(s.Left.Memory) }),
	ofWorker("sohost_old_goroutines", "Goroutines that run code of these.", func(s *status) float64 { return float64(s.Left.Goroutines) }),
	ofWorker("sohost_quarantined_images", "Images that are not loaded because they have ended a worker.", func(s *status) float64 { return float64(len(s.Quarantine)) }),
	{"sohost_crash_time_seconds", "gauge", "When the last worker died or hung; absent if none did.", func(s *status, add func(float64, ...string)) {
		if n := len(s.Crashes); n > 0 {
			add(at(s.Crashes[n-1].Time))
		}
	}},
	{"sohost_handover_time_seconds", "gauge", "When the last handover to a new worker began; absent if there was none.", func(s *status, add func(float64, ...string)) {
		if s.Handover != nil {
			add(at(s.Handover.Time))
		}
	}},
	{"sohost_handover_phase_seconds", "gauge", "How long each phase of the last handover took.", handoverPhases},
	{"sohost_handover_failed", "gauge", "Whether the last handover has failed, so that the old worker serves on.", func(s *status, add func(float64, ...string)) {
		add(truth(s.Failed != nil))
	}},
	ofWorker("sohost_handover_due", "Whether a handover is due and could not be made.", func(s *status) float64 { return truth(s.HandoverDue != nil) }),
	{"sohost_store_fault", "gauge", "Whether the store can't be used, so that nothing can be deployed.", func(s *status, add func(float64, ...string)) {
		add(truth(s.StoreFault != ""))
	}},
	{"sohost_config_read_time_seconds", "gauge", "When the configuration was read that is served.", func(s *status, add func(float64, ...string)) {
		add(at(s.Config.Read))
	}},
	{"sohost_config_failed", "gauge", "Whether a later configuration was not taken up.", func(s *status, add func(float64, ...string)) {
		add(truth(s.Config.Failed != nil))
	}},
	{"sohost_config_restart_settings", "gauge", "Settings that have changed and need a restart.", func(s *status, add func(float64, ...string)) {
		add(float64(len(s.Config.Restart)))
	}},
}

// ofWorker returns a family with one sample, which is known while a worker answers.
func ofWorker(name, help string, of func(s *status) float64) family {
	return family{name, "gauge", help, func(s *status, add func(float64, ...string)) {
		if s.Unknown == "" {
			add(of(s))
		}
	}}
}

func handoverPhases(s *status, add func(float64, ...string)) {
	if s.Handover == nil {
		return
	}
	phases := s.Handover.Phases.ByName()
	for _, name := range slices.Sorted(maps.Keys(phases)) {
		add(phases[name].Seconds(), "phase", name)
	}
}

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

// perTrigger returns a family with one sample for each trigger.
func perTrigger(name, kind, help string, of func(t *sohost.TriggerStatus) float64) family {
	return family{name, kind, help, func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			for _, t := range p.Triggers {
				add(of(&t), "plugin", p.Name, "trigger", t.Name)
			}
		}
	}}
}

var ofTriggers = []family{
	perTrigger("sohost_trigger_runs_total", "counter", "Calls that were made.", func(t *sohost.TriggerStatus) float64 { return float64(t.Runs) }),
	perTrigger("sohost_trigger_errors_total", "counter", "Calls that failed.", func(t *sohost.TriggerStatus) float64 { return float64(t.Errors) }),
	perTrigger("sohost_trigger_skipped_total", "counter", "Times that were skipped.", func(t *sohost.TriggerStatus) float64 { return float64(t.Skipped) }),
	perTrigger("sohost_trigger_refused_writes_total", "counter", "Writes that were refused because the queue was full.", func(t *sohost.TriggerStatus) float64 {
		return float64(t.Refused)
	}),
	perTrigger("sohost_trigger_queued_rows", "gauge", "Rows that wait for the plugin.", func(t *sohost.TriggerStatus) float64 { return float64(t.Rows) }),
	perTrigger("sohost_trigger_queued_bytes", "gauge", "About how many bytes these take.", func(t *sohost.TriggerStatus) float64 { return float64(t.Bytes) }),
	perTrigger("sohost_trigger_letters", "gauge", "Calls that were put aside after their last attempt.", func(t *sohost.TriggerStatus) float64 { return float64(t.Letters) }),
}

// perSink returns a family with one sample for each sink.
func perSink(name, kind, help string, of func(k *sinks.Status) float64) family {
	return family{name, kind, help, func(s *status, add func(float64, ...string)) {
		for _, k := range s.Sinks {
			add(of(&k), "sink", k.Name)
		}
	}}
}

var ofSinks = []family{
	perSink("sohost_sink_accepted_rows_total", "counter", "Rows that plugins have emitted.", func(k *sinks.Status) float64 { return float64(k.Accepted) }),
	perSink("sohost_sink_stored_rows_total", "counter", "Rows that the target has taken.", func(k *sinks.Status) float64 { return float64(k.Stored) }),
	perSink("sohost_sink_refused_rows_total", "counter", "Rows that the target does not take.", func(k *sinks.Status) float64 { return float64(k.Refused) }),
	perSink("sohost_sink_spooled_bytes", "gauge", "What waits on disk.", func(k *sinks.Status) float64 { return float64(k.Spooled) }),
	perSink("sohost_sink_failing", "gauge", "Whether writes to the target fail.", func(k *sinks.Status) float64 { return truth(!k.Failing.IsZero()) }),
}
