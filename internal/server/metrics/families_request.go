package metrics

import (
	"fmt"
	"strconv"
)

var ofRequests = []family{
	{"sohost_plugin_requests_total", "counter", "Requests that were answered, by class of status.", func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			for _, g := range p.Answered {
				for class, n := range g.ByClass {
					if class > 0 && (n > 0 || class == 2 || class == 5) { // so that there is a first value to compare with
						add(float64(n), "plugin", p.Name, "generation", g.ID.Short(), "code", fmt.Sprintf("%dxx", class))
					}
				}
			}
		}
	}},
	{"sohost_plugin_panics_total", "counter", "Requests that ended in a panic of the plugin.", func(s *status, add func(float64, ...string)) {
		for _, p := range s.Plugins {
			for _, g := range p.Answered {
				add(float64(g.Panics), "plugin", p.Name, "generation", g.ID.Short())
			}
		}
	}},
	{"sohost_plugin_request_duration_seconds", "histogram", "How long requests took, all generations together.", durations},
}

// durations adds the samples of a histogram, whose buckets count all that was shorter.
func durations(s *status, add func(float64, ...string)) {
	for _, p := range s.Plugins {
		d := p.Durations
		if d == nil {
			continue
		}
		var below int64
		for i, n := range d.Counts {
			below += n
			le := "+Inf"
			if i < len(d.Bounds) {
				le = strconv.FormatFloat(d.Bounds[i].Seconds(), 'g', -1, 64)
			}
			add(float64(below), "_bucket", "plugin", p.Name, "le", le)
		}
		add(d.Sum.Seconds(), "_sum", "plugin", p.Name)
		add(float64(below), "_count", "plugin", p.Name)
	}
}
