package spans

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/otlp"
)

// early are the phases that may have ended before a reload is known to be one, in order.
var early = []sohost.Phase{sohost.PhaseStore, sohost.PhaseCheck, sohost.PhaseProbe}

func total(phases map[string]time.Duration) (sum time.Duration) {
	for _, d := range phases {
		sum += d
	}
	return sum
}

// beginReload begins a reload. One of the same plugin that goes on has lost its end.
func (m *Maker) beginReload(e events.Event) {
	m.drop(e.Plugin, e.Time)
	o := m.begin("reload", e, e.Time.Add(-total(e.Phases)), nil)
	at := o.Span.Start
	for _, phase := range early {
		if d := e.Phases[string(phase)]; d > 0 {
			o.Steps = append(o.Steps, step{string(phase), at, d})
			at = at.Add(d)
		}
	}
	m.state.Reloads[e.Plugin] = o
}

// drop ends a reload that nobody hears of any more: the image is loaded again, by itself or by another worker that has the plugin now.
func (m *Maker) drop(plugin string, at time.Time) {
	if o := m.state.Reloads[plugin]; o != nil && o.Deferred {
		o.add(otlp.Text("sohost.plugin", plugin), otlp.Text("sohost.outcome", "superseded"))
		m.keep(o, o.end(at, ""))
	}
	delete(m.state.Reloads, plugin)
}

// keep sends the spans of an operation if its trace is kept.
func (m *Maker) keep(o *open, spans ...otlp.Span) {
	if o.Kept {
		m.send(spans...)
	}
}

func (m *Maker) beginPhase(e events.Event) {
	o := m.state.Handover
	if e.Plugin != "" {
		o = m.state.Reloads[e.Plugin]
	}
	if o != nil && !o.Deferred {
		o.step(e.Detail, e.Time)
	}
}

// deferReload notes that a reload goes on in a handover: what has been done of it here is over.
func (m *Maker) deferReload(e events.Event) {
	o := m.state.Reloads[e.Plugin]
	if o == nil {
		return
	}
	o.Deferred = true
	o.add(otlp.Text("sohost.handover.why", e.Detail))
	m.keep(o, o.phases(o.Span.ID, o.Steps, e.Phases, e.Time, "")...)
	o.Steps = nil
}

// outcomes say how a reload has ended.
var outcomes = map[generations.Kind]string{
	generations.KindDeploy: "deployed", generations.KindRollback: "rolled back", generations.KindRefuse: "refused", generations.KindAbandon: "abandoned",
}

// endReload ends a reload. Of an image that was refused before the reload was told of, this is all that is known; a deploy of which only the
// end is known was a part of a handover.
func (m *Maker) endReload(e events.Event) {
	o := m.state.Reloads[e.Plugin]
	if o != nil && o.To != e.To {
		return // the checks of another image, beside a reload
	}
	if o == nil {
		if e.Kind != generations.KindRefuse {
			return
		}
		o = m.begin("reload", e, e.Time.Add(-total(e.Phases)), nil)
	}
	delete(m.state.Reloads, e.Plugin)
	why, phase := "", ""
	switch e.Kind {
	case generations.KindRefuse:
		phase, why, _ = strings.Cut(e.Detail, ": ")
	case generations.KindAbandon:
		why = e.Detail
	default:
		o.add(otlp.Text("sohost.cause", e.Detail), otlp.Number("sohost.release", e.Release), otlp.Text("sohost.state.way", e.State),
			otlp.Number("sohost.calls.crossing", e.Crossing))
	}
	o.add(otlp.Text("sohost.plugin", e.Plugin), otlp.Text("sohost.outcome", outcomes[e.Kind]), otlp.Text("sohost.generation.to", e.To.Short()),
		otlp.Number("process.pid", e.Worker))
	if !e.From.IsZero() {
		o.add(otlp.Text("sohost.generation.from", e.From.Short()))
	}
	if phase != "" {
		o.add(otlp.Text("sohost.phase", phase))
	}
	if len(e.Lost) > 0 {
		o.add(otlp.Texts("sohost.state.lost", e.Lost))
	}
	o.late(e)
	root := o.end(e.Time, why)
	m.keep(o, append(o.phases(root.ID, o.Steps, e.Phases, e.Time, why), root)...)
}

// late adds what nobody tells the begin of: the flip, which ends where it is told of, and the release, which is written last.
func (o *open) late(e events.Event) {
	if o.Deferred {
		return
	}
	for phase, end := range map[sohost.Phase]time.Time{sohost.PhaseFlip: o.Flip, sohost.PhasePublish: e.Time} {
		if d, has := e.Phases[string(phase)]; has && !end.IsZero() {
			o.Steps = append(o.Steps, step{string(phase), end.Add(-d), d})
		}
	}
	slices.SortStableFunc(o.Steps, func(a, b step) int { return a.Begin.Compare(b.Begin) })
	if !o.Flip.IsZero() {
		o.Span.Events = append(o.Span.Events, otlp.Event{Time: o.Flip, Name: "flip"})
	}
}

// endWorker ends the reloads in a worker that has died.
func (m *Maker) endWorker(e events.Event) {
	for plugin, o := range m.state.Reloads {
		if o.Worker != e.Worker {
			continue
		}
		delete(m.state.Reloads, plugin)
		why := "the worker died: " + cmp.Or(e.Detail, "nobody knows why")
		o.add(otlp.Text("sohost.plugin", plugin), otlp.Text("sohost.outcome", "died"), otlp.Text("sohost.generation.to", o.To.Short()),
			otlp.Number("process.pid", e.Worker))
		root := o.end(e.Time, why)
		m.keep(o, append(o.phases(root.ID, o.Steps, nil, e.Time, why), root)...)
	}
}
