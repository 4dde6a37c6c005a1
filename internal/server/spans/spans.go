// Package spans makes spans of what happens in a server: of each reload and of each handover, with their phases. It reads the events as any
// reader does, so nothing waits for it.
package spans

import (
	"sync"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/otlp"
)

// Maker makes spans of events.
type Maker struct {
	log    *events.Log
	keeps  otlp.Sampler
	send   func(...otlp.Span)
	finish chan struct{} // closed when it is to end once it has read what there is
	done   chan struct{} // closed when it has ended

	mu      sync.Mutex // guards what follows
	reports map[int]*sohost.Handover

	state Saved // Run's goroutine alone has it, and Close once that has ended
}

// Saved is where a Maker has come, in JSON, for the program that takes over.
type Saved struct {
	At       uint64           `json:"at"`                 // up to this event all were read
	Reloads  map[string]*open `json:"reloads"`            // by plugin
	Handover *open            `json:"handover,omitempty"` // nil: there is none
}

// NewMaker returns a Maker that reads events from now on, or from where another one has come unless from is nil. send gets the spans, and must
// not wait. Close ends it.
func NewMaker(log *events.Log, keeps otlp.Sampler, send func(...otlp.Span), from *Saved) *Maker {
	m := &Maker{log: log, keeps: keeps, send: send, finish: make(chan struct{}), done: make(chan struct{}), reports: map[int]*sohost.Handover{}}
	if from != nil {
		m.state = *from
	} else {
		m.state.At = log.Last()
	}
	if m.state.Reloads == nil {
		m.state.Reloads = map[string]*open{}
	}
	go m.run()
	return m
}

// Report tells what became of a handover. It is called before the event of the kind "handover" is added, which knows less.
func (m *Maker) Report(h *sohost.Handover) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports[h.Taker] = h
}

func (m *Maker) reported(taker int) *sohost.Handover {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.reports[taker]
	clear(m.reports) // there is one handover at a time
	return h
}

// Close ends the Maker once it has read what there is, and returns where it has come.
func (m *Maker) Close() *Saved {
	close(m.finish)
	<-m.done
	return &m.state
}

func (m *Maker) run() {
	defer close(m.done)
	for {
		entries, missed, changed := m.log.Since(m.state.At)
		upTo := m.state.At + uint64(len(entries)) + missed
		for _, e := range entries {
			m.read(e.Seq - 1)
			m.take(e.Event)
			m.state.At = e.Seq
		}
		m.read(upTo)
		if len(entries) == 0 && !m.wait(changed) {
			return
		}
	}
}

// wait waits until there is more to read. It reports false if the Maker is to end, and there isn't.
func (m *Maker) wait(changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	case <-m.finish:
		return m.log.Last() > m.state.At // added since it looked
	}
}

// read notes that there is nothing to be read up to a number. Those that are missing may have had the end of what goes on.
func (m *Maker) read(upTo uint64) {
	if upTo > m.state.At {
		clear(m.state.Reloads)
		m.state.Handover = nil
	}
	m.state.At = upTo
}

// take takes one event.
func (m *Maker) take(e events.Event) {
	switch e.Kind {
	case generations.KindReload:
		m.beginReload(e)
	case generations.KindPhase:
		m.beginPhase(e)
	case generations.KindFlip:
		if o := m.state.Reloads[e.Plugin]; o != nil && !o.Deferred {
			o.Flip = e.Time
		}
	case generations.KindDefer:
		m.deferReload(e)
	case generations.KindDeploy, generations.KindRollback, generations.KindRefuse, generations.KindAbandon:
		m.endReload(e)
	case generations.KindHandoverBegins:
		m.beginHandover(e)
	case generations.KindHandover, generations.KindHandoverFailed:
		m.endHandover(e)
	case generations.KindWorkerDied:
		m.endWorker(e)
	}
}

// open is an operation that goes on.
type open struct {
	Span     otlp.Span      `json:"span"`
	Kept     bool           `json:"kept"`
	Worker   int            `json:"worker"`
	To       generations.ID `json:"to,omitzero"`
	Deferred bool           `json:"deferred,omitempty"` // it goes on in a handover
	Steps    []step         `json:"steps,omitempty"`
	Flip     time.Time      `json:"flip,omitzero"`
}

// step is a phase that has begun.
type step struct {
	Name  string        `json:"name"`
	Begin time.Time     `json:"begin"`
	Took  time.Duration `json:"took,omitempty"` // 0: it isn't known yet
}

// begin begins an operation, in the trace of whoever has asked for it. within is what it is a part of; nil: nothing.
func (m *Maker) begin(name string, e events.Event, at time.Time, within *open) *open {
	o := &open{Worker: e.Worker, To: e.To, Span: otlp.Span{Trace: otlp.NewTraceID(), ID: otlp.NewSpanID(), Name: name, Start: at}}
	parent, asked := otlp.ParseParent(e.Trace)
	switch {
	case within != nil:
		o.Span.Trace, o.Span.Parent, o.Kept = within.Span.Trace, within.Span.ID, within.Kept
	case asked:
		o.Span.Trace, o.Span.Parent, o.Span.Remote, o.Kept = parent.Trace, parent.Span, true, m.keeps(parent.Trace, &parent)
	default:
		o.Kept = m.keeps(o.Span.Trace, nil)
	}
	return o
}

// step notes that a phase begins.
func (o *open) step(name string, at time.Time) {
	for _, s := range o.Steps {
		if s.Name == name { // its duration has both
			return
		}
	}
	o.Steps = append(o.Steps, step{Name: name, Begin: at})
}

func (o *open) add(attributes ...otlp.Attribute) {
	o.Span.Attributes = append(o.Span.Attributes, attributes...)
}

// end ends an operation, and returns its span. why says that it has failed.
func (o *open) end(at time.Time, why string) otlp.Span {
	o.Span.End, o.Span.Err = later(at, o.Span.Start), why
	return o.Span
}

// phases returns a span for each phase within one of the operation. took has how long some of them took; another one is as long as nothing
// follows it. If why says that the operation has failed, the last one has.
func (o *open) phases(within otlp.SpanID, steps []step, took map[string]time.Duration, end time.Time, why string) (all []otlp.Span) {
	for i, s := range steps {
		until := end
		if i+1 < len(steps) {
			until = steps[i+1].Begin
		}
		if d, known := took[s.Name]; known {
			until = s.Begin.Add(d)
		} else if s.Took > 0 {
			until = s.Begin.Add(s.Took)
		}
		phase := otlp.Span{
			Trace: o.Span.Trace, ID: otlp.NewSpanID(), Parent: within, Name: s.Name, Start: s.Begin, End: later(until, s.Begin),
		}
		if i == len(steps)-1 {
			phase.Err = why
		}
		all = append(all, phase)
	}
	return all
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
