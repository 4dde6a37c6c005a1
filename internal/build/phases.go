package build

import "time"

// Phase is a step of a build. The steps, in order: list (what the host and the packages are), plan, compile (all that the go command does
// until it links), link, finish (hashes, seal, check) and place. A step that wasn't needed is missing.
type Phase struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took_ns"` // in nanoseconds
}

// stopwatch measures phases, each from the end of the one before.
type stopwatch struct {
	last   time.Time
	phases []Phase
}

func (w *stopwatch) lap(name string) { w.lapAt(name, time.Now()) }

func (w *stopwatch) lapAt(name string, at time.Time) {
	w.phases = append(w.phases, Phase{name, at.Sub(w.last)})
	w.last = at
}

// compiled measures what the go command has done until now. began is when it began to link, zero if it didn't.
func (w *stopwatch) compiled(began time.Time) {
	if began.IsZero() {
		w.lap("compile")
		return
	}
	w.lapAt("compile", began)
	w.lap("link")
}
