package metrics

import (
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/sinks"
)

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
	perTrigger("sohost_trigger_lag_seconds", "gauge", "For how long the oldest of them have waited.", func(t *sohost.TriggerStatus) float64 {
		if t.Oldest.IsZero() {
			return 0
		}
		return max(0, time.Since(t.Oldest).Seconds())
	}),
	perTrigger("sohost_trigger_disabled", "gauge", "Whether the trigger is disabled.", func(t *sohost.TriggerStatus) float64 {
		return truth(t.State == "disabled")
	}),
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
