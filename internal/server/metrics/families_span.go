package metrics

import "github.com/sohost/sohost/internal/otlp"

// ofSpan returns a family with one sample, if spans go somewhere.
func ofSpan(name, kind, help string, of func(o *otlp.Status) float64) family {
	return family{name, kind, help, func(s *status, add func(float64, ...string)) {
		if s.Spans != nil {
			add(of(s.Spans))
		}
	}}
}

var ofSpans = []family{
	ofSpan("sohost_spans_sent_total", "counter", "Spans that the collector has taken.", func(o *otlp.Status) float64 { return float64(o.Sent) }),
	ofSpan("sohost_spans_lost_total", "counter", "Spans that the collector has refused, or that found no room to wait.", func(o *otlp.Status) float64 {
		return float64(o.Lost)
	}),
	ofSpan("sohost_spans_waiting", "gauge", "Spans that wait for the collector.", func(o *otlp.Status) float64 { return float64(o.Waiting) }),
	ofSpan("sohost_spans_failing", "gauge", "Whether the last attempt to send some has failed.", func(o *otlp.Status) float64 { return truth(o.Error != "") }),
}
