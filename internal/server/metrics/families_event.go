package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
)

// ofEvents count what has happened since the server was started, whatever became of workers.
var ofEvents = []family{
	{"sohost_events_total", "counter", "Events by kind, and by plugin if they concern one.", func(s *status, add func(float64, ...string)) {
		counts := s.events.Counts()
		for _, kind := range generations.Kinds() { // so that there is a first value to compare the first event with
			counts[events.Count{Kind: kind}] += 0
		}
		for _, p := range s.Plugins {
			for _, kind := range ofPlugin {
				counts[events.Count{Kind: kind, Plugin: p.Name}] += 0
			}
		}
		for _, c := range slices.SortedFunc(maps.Keys(counts), compareCounts) {
			add(float64(counts[c]), "kind", string(c.Kind), "plugin", c.Plugin)
		}
	}},
	{"sohost_phase_seconds_total", "counter", "Time that was spent in each phase of reloads and handovers.", func(s *status, add func(float64, ...string)) {
		spent := s.events.Spent()
		for _, k := range slices.SortedFunc(maps.Keys(spent), compareSpent) {
			add(spent[k].Seconds(), "kind", string(k.Kind), "phase", k.Phase)
		}
	}},
}

// ofPlugin are the kinds of events that are counted for each plugin from the beginning: those that people look at.
var ofPlugin = []generations.Kind{
	generations.KindDeploy, generations.KindRefuse, generations.KindRollback, generations.KindQuarantine, generations.KindCheckpointFailed,
	generations.KindPanic,
}

func compareCounts(a, b events.Count) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Plugin, b.Plugin))
}

func compareSpent(a, b events.Step) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Phase, b.Phase))
}
