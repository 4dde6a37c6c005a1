package sohost

import (
	"maps"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
)

// Reload describes what a deploy or a rollback did.
type Reload struct {
	// Release is the number of the release that is current now.
	Release int `json:"release"`

	// Moves has one entry for each plugin that was asked for, in the order of their names.
	Moves []Move `json:"moves"`

	// Warning says what went wrong after the flip, such as a release that could not be published. The new generations
	// serve all the same.
	Warning string `json:"warning,omitempty"`
}

// Move is one plugin's part in a Reload.
type Move struct {
	Plugin    string         `json:"plugin"`
	From      generations.ID `json:"from,omitzero"` // zero if nothing served before
	To        generations.ID `json:"to"`
	Unchanged bool           `json:"unchanged,omitempty"` // the image served already: nothing was done
	State     StateMove      `json:"state"`
	Phases    Phases         `json:"phases"`
	Time      time.Time      `json:"time"` // when it began
}

// Phase is a step of a reload.
type Phase string

// The phases of a reload, in their order. The last one is no step of a reload: it stands in a Refusal when the image needed a
// handover, and that failed.
const (
	PhaseStore    Phase = "store"    // copy and hash the image
	PhaseCheck    Phase = "check"    // read it and compare it with the process
	PhaseProbe    Phase = "probe"    // open it in a child process
	PhaseOpen     Phase = "open"     // map, link and run init functions
	PhaseNew      Phase = "new"      // the plugin's New
	PhaseDrain    Phase = "drain"    // wait for the last call of the old generation; callers wait
	PhaseState    Phase = "state"    // Stop, Export and Import; callers wait
	PhaseStart    Phase = "start"    // the plugin's Start; callers wait if there is state
	PhaseFlip     Phase = "flip"     // swap the pointer and let callers go on
	PhasePublish  Phase = "publish"  // write the release
	PhaseHandover Phase = "handover" // see above
)

// reloadPhases lists the phases that are steps, in their order.
var reloadPhases = [...]Phase{
	PhaseStore, PhaseCheck, PhaseProbe, PhaseOpen, PhaseNew, PhaseDrain, PhaseState, PhaseStart, PhaseFlip, PhasePublish,
}

// Phases has the durations of the phases of one reload, in nanoseconds in JSON. A phase that wasn't needed is absent.
type Phases map[Phase]time.Duration

// Total returns the time from the first step to the last.
func (p Phases) Total() (total time.Duration) {
	for _, d := range p {
		total += d
	}
	return total
}

// timed runs a step and adds its duration to that of the phase.
func (p Phases) timed(phase Phase, step func() error) error {
	begin := time.Now()
	defer func() { p[phase] += time.Since(begin) }()
	return step()
}

// byName returns the durations in the form in which the history keeps them.
func (p Phases) byName() map[string]time.Duration {
	names := make(map[string]time.Duration, len(p))
	for phase, d := range p {
		names[string(phase)] = d
	}
	return names
}

// Way says how state came into a generation.
type Way string

// The ways of a StateMove. Those up to WayImport are tried in this order.
const (
	WayNone       Way = "none"       // there is no state: nothing served before, or the plugin has none
	WayReference  Way = "reference"  // the value itself was handed over: both generations know its type
	WayAdopt      Way = "adopt"      // the value itself was handed over, under the new generation's type
	WayConvert    Way = "convert"    // the value was copied field by field into the new generation's type
	WayImport     Way = "import"     // the new generation's Import read a copy
	WayDowngrade  Way = "downgrade"  // the newer generation exported its state in the older one's version
	WayKept       Way = "kept"       // the state that the older generation had before the flip came back
	WayCheckpoint Way = "checkpoint" // nothing served before: the state is that of the last checkpoint
	WayDropped    Way = "dropped"    // the new generation takes no state; the old one's is lost
	WayHandover   Way = "handover"   // the state came encoded from another process
)

// StateMove describes how a plugin's state came into a new generation.
type StateMove struct {
	Way     Way    `json:"way"`
	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`

	// Changes are the fields that are not the same in both generations: "added state.a", "removed state.b",
	// "renamed state.c → d", "retyped state.e: int32 → int64". What was removed is lost.
	Changes []string `json:"changes,omitempty"`

	// Entries counts the map entries and slice elements that were copied, and Bytes is about what the copy takes. Both
	// are zero if nothing was copied.
	Entries int64 `json:"entries,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`

	// Age is how old the state is if it was kept or checkpointed, in nanoseconds in JSON: what happened since is lost.
	Age time.Duration `json:"age,omitempty"`

	// Waited describes the callers who had to wait while the state moved; absent if none had to.
	Waited *Waited `json:"waited,omitempty"`
}

// moveOf describes what an instance has taken.
func moveOf(t instance.Taken) StateMove {
	m := StateMove{Way: Way(t.Way), Schema: t.Schema, Version: t.Version, Entries: t.Entries, Bytes: t.Bytes}
	for _, kind := range []struct {
		verb  string
		paths []string
	}{{"added", t.Added}, {"removed", t.Removed}, {"renamed", t.Renamed}, {"retyped", t.Retyped}} {
		for _, path := range kind.paths {
			m.Changes = append(m.Changes, kind.verb+" "+path)
		}
	}
	return m
}

// Waited describes callers who waited while state moved. The durations are nanoseconds in JSON.
type Waited struct {
	Calls int64         `json:"calls"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// with returns the waits with those at one more gate; of several gates each figure is the worst. They are final once the gate has
// been opened.
func (w *Waited) with(s generations.GateStats) *Waited {
	if s.Passed == 0 {
		return w
	}
	if w == nil {
		w = new(Waited)
	}
	return &Waited{Calls: w.Calls + s.Passed, P50: max(w.P50, s.P50), P99: max(w.P99, s.P99), Max: max(w.Max, s.Max)}
}

// clone returns a copy that shares no map, since a reload that goes on writes to its own.
func (m Move) clone() Move {
	m.Phases = maps.Clone(m.Phases)
	return m
}
