package metrics

import (
	"maps"
	"slices"
)

// families are all metrics, in the order of the text. Counters of plugins, triggers and sinks begin anew with each worker unless they
// travel in handovers, as those of triggers do.
var families = slices.Concat(ofServer, ofEvents, ofPlugins, ofRequests, ofTriggers, ofSinks, ofHooks, ofSpans)

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
	ofWorker("sohost_budget_old_images", "How many old images lead to a handover, a full one counted as four; negative: any number may be.", func(s *status) float64 {
		return float64(s.Budget.Generations)
	}),
	ofWorker("sohost_budget_old_memory_bytes", "How much memory of these leads to a handover.", func(s *status) float64 { return float64(s.Budget.Memory) }),
	ofWorker("sohost_budget_old_goroutines", "How many goroutines of these lead to a handover.", func(s *status) float64 { return float64(s.Budget.Goroutines) }),
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
	{"sohost_certificate_expiry_time_seconds", "gauge", "When the certificate that serves expires, by listener.", func(s *status, add func(float64, ...string)) {
		for _, l := range s.Listeners {
			if l.Certificate != nil {
				add(at(l.Certificate.Until), "listener", l.Name)
			}
		}
	}},
	{"sohost_certificate_failed", "gauge", "Whether what is in its files is not what serves, by listener.", func(s *status, add func(float64, ...string)) {
		for _, l := range s.Listeners {
			if l.Certificate != nil {
				add(truth(l.Certificate.Failed != nil), "listener", l.Name)
			}
		}
	}},
	{"sohost_refused_connections_total", "counter", "Connections that were closed because their address has too many, by listener.", func(s *status, add func(float64, ...string)) {
		for _, l := range s.Listeners {
			add(float64(l.Refused), "listener", l.Name)
		}
	}},
	{"sohost_draining_connections", "gauge", "Connections that old workers keep.", func(s *status, add func(float64, ...string)) {
		var n int
		for _, d := range s.Draining {
			n += d.Connections
		}
		add(float64(n))
	}},
	{"sohost_config_failed", "gauge", "Whether a later configuration was not taken up.", func(s *status, add func(float64, ...string)) {
		add(truth(s.Config.Failed != nil))
	}},
	{"sohost_upgrade_failed", "gauge", "Whether the supervisor can't become the program that its workers run.", func(s *status, add func(float64, ...string)) {
		add(truth(s.Program != nil && s.Program.NotSupervisor != ""))
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
