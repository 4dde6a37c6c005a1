package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sohost/sohost/internal/events"
)

// ofEvents count what has happened since the server was started, whatever became of workers.
var ofEvents = []family{
	{"sohost_events_total", "counter", "Events by kind, and by plugin if they concern one.", func(s *status, add func(float64, ...string)) {
		counts := s.events.Counts()
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

func compareCounts(a, b events.Count) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Plugin, b.Plugin))
}

func compareSpent(a, b events.Step) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Phase, b.Phase))
}
