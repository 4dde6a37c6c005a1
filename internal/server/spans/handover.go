package spans

import (
	"slices"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/otlp"
)

// beginHandover begins a handover, as a part of the reload that needs it if there is one.
func (m *Maker) beginHandover(e events.Event) {
	var needs *open
	for _, o := range m.state.Reloads {
		if o.Deferred && (needs == nil || o.Span.Start.Before(needs.Span.Start)) {
			needs = o
		}
	}
	m.state.Handover = m.begin("handover", e, e.Time, needs)
}

// endHandover ends a handover. One that failed before it began has a span without a duration.
func (m *Maker) endHandover(e events.Event) {
	o := m.state.Handover
	if o == nil {
		o = m.begin("handover", e, e.Time, nil)
	}
	m.state.Handover = nil
	if e.Kind == generations.KindHandoverFailed {
		o.add(otlp.Text("sohost.outcome", "failed"))
		root := o.end(e.Time, e.Detail)
		m.keep(o, append(o.phases(root.ID, o.Steps, nil, e.Time, e.Detail), root)...)
		return
	}
	o.add(otlp.Text("sohost.outcome", "handed over"), otlp.Text("sohost.cause", e.Detail), otlp.Number("sohost.release", e.Release),
		otlp.Number("sohost.taker.pid", e.Worker))
	h := m.reported(e.Worker)
	if h != nil {
		o.report(h)
	}
	root := o.end(e.Time, "")
	spans := []otlp.Span{root}
	first, last := slices.IndexFunc(o.Steps, named("drain")), slices.IndexFunc(o.Steps, named("commit"))
	if first < 0 || last < first {
		m.keep(o, append(o.phases(root.ID, o.Steps, e.Phases, e.Time, ""), spans...)...)
		return
	}
	commit := o.Steps[last].Begin.Add(e.Phases["commit"])
	pause := otlp.Span{Trace: root.Trace, ID: otlp.NewSpanID(), Parent: root.ID, Name: "pause", Start: o.Steps[first].Begin, End: commit}
	if h != nil {
		pause.Attributes = waits(h.Waited)
		pause.Events = moved(h, commit)
	}
	spans = append(spans, pause)
	spans = append(spans, o.phases(root.ID, o.Steps[:first], e.Phases, pause.Start, "")...)
	spans = append(spans, o.phases(pause.ID, o.Steps[first:last+1], e.Phases, commit, "")...)
	m.keep(o, append(spans, o.phases(root.ID, o.Steps[last+1:], e.Phases, e.Time, "")...)...)
}

func named(name string) func(step) bool { return func(s step) bool { return s.Name == name } }

// report adds what only the report of a handover has.
func (o *open) report(h *sohost.Handover) {
	o.add(otlp.Number("sohost.giver.pid", h.Giver), otlp.Number("sohost.states", len(h.Moves)))
	if len(h.Removed) > 0 {
		o.add(otlp.Texts("sohost.removed", h.Removed))
	}
	if h.Warning != "" {
		o.add(otlp.Text("sohost.warning", h.Warning))
	}
}

// waits describes the callers that waited.
func waits(w *sohost.Waited) []otlp.Attribute {
	if w == nil {
		return []otlp.Attribute{otlp.Number("sohost.waited.calls", 0)}
	}
	return []otlp.Attribute{
		otlp.Number("sohost.waited.calls", w.Calls), otlp.Number("sohost.waited.p50_ns", w.P50), otlp.Number("sohost.waited.p99_ns", w.P99),
		otlp.Number("sohost.waited.max_ns", w.Max),
	}
}

// moved returns an event for each plugin whose state or image has moved.
func moved(h *sohost.Handover, at time.Time) (all []otlp.Event) {
	for _, move := range h.Moves {
		about := []otlp.Attribute{
			otlp.Text("sohost.plugin", move.Plugin), otlp.Text("sohost.generation.to", move.To.Short()), otlp.Text("sohost.state.way", string(move.State.Way)),
			otlp.Number("sohost.state.entries", move.State.Entries), otlp.Number("sohost.state.bytes", move.State.Bytes),
		}
		if !move.From.IsZero() {
			about = append(about, otlp.Text("sohost.generation.from", move.From.Short()))
		}
		if len(move.State.Lost) > 0 {
			about = append(about, otlp.Texts("sohost.state.lost", move.State.Lost))
		}
		all = append(all, otlp.Event{Time: at, Name: "moved", Attributes: about})
	}
	return all
}
