package sohost

import (
	"maps"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
)

// Reload describes the outcome of a Deploy or Rollback.
type Reload struct {
	// Release is the number of the release that is current now.
	Release int `json:"release"`

	// Moves has one entry for each plugin that was to be reloaded, ordered by name.
	Moves []Move `json:"moves"`

	// Warning describes what went wrong after the flip, such as a release that could not be published; empty if nothing
	// did. The new generations serve all the same.
	Warning string `json:"warning,omitempty"`
}

// Move describes one plugin's part in a Reload or Handover.
type Move struct {
	Plugin    string         `json:"plugin"`
	From      generations.ID `json:"from,omitzero"` // zero if nothing served before
	To        generations.ID `json:"to"`
	Unchanged bool           `json:"unchanged,omitempty"` // the image was serving already, and nothing was done
	State     StateMove      `json:"state"`
	Phases    Phases         `json:"phases"`
	Time      time.Time      `json:"time"`               // when the plugin's part began
	Crossing  int64          `json:"crossing,omitempty"` // calls that ran in From at the flip, and finished there

	// Changed lists the settings of the process that have changed while the image was opened, or in its New or Start.
	Changed []Change `json:"changed,omitempty"`

	// Tried lists what the image's init functions tried in the probe and were not permitted there, such as "open a
	// socket for IPv4 (socket)". In this process nothing has kept them from it.
	Tried []string `json:"tried,omitempty"`
}

// Warnings says what is worth knowing about a move that has succeeded.
func (m Move) Warnings() (warnings []string) {
	for _, c := range m.Changed {
		warnings = append(warnings, "it has changed a setting that all plugins share: "+c.String())
	}
	for _, what := range m.Tried {
		warnings = append(warnings, "its init functions "+what+": the probe didn't permit it, this process did")
	}
	return warnings
}

// Phase is a step of a reload.
type Phase string

// The phases of a reload, in order. PhaseHandover is no step of a reload: it is the phase of a Refusal when the image
// needed a handover and that failed.
const (
	PhaseStore    Phase = "store"    // copy and hash the image
	PhaseCheck    Phase = "check"    // read it and compare it with the process
	PhaseProbe    Phase = "probe"    // open it in a child process
	PhaseOpen     Phase = "open"     // map, link and run init functions
	PhaseNew      Phase = "new"      // the plugin's New
	PhaseDrain    Phase = "drain"    // wait for the old generation's last call; callers wait
	PhaseState    Phase = "state"    // Stop, Export and Import; callers wait
	PhaseStart    Phase = "start"    // the plugin's Start; callers wait if there is state
	PhaseFlip     Phase = "flip"     // swap the pointer and let callers go on
	PhasePublish  Phase = "publish"  // write the release
	PhaseHandover Phase = "handover" // see above; in a Refusal only
)

// reloadPhases lists the phases that are steps of a reload, in order.
var reloadPhases = [...]Phase{
	PhaseStore, PhaseCheck, PhaseProbe, PhaseOpen, PhaseNew, PhaseDrain, PhaseState, PhaseStart, PhaseFlip, PhasePublish,
}

// Phases holds the duration of each phase of one reload, in nanoseconds in JSON. A phase that wasn't needed is absent.
type Phases map[Phase]time.Duration

// Total returns the sum of the durations. When several plugins are deployed together, that leaves out the time spent on
// the others.
func (p Phases) Total() (total time.Duration) {
	for _, d := range p {
		total += d
	}
	return total
}

// timed runs a step and adds its duration to the phase's.
func (p Phases) timed(phase Phase, step func() error) error {
	begin := time.Now()
	defer func() { p[phase] += time.Since(begin) }()
	return step()
}

// byName returns the durations in the form in which the history stores them.
func (p Phases) byName() map[string]time.Duration {
	names := make(map[string]time.Duration, len(p))
	for phase, d := range p {
		names[string(phase)] = d
	}
	return names
}

// Way is how state came into a generation.
type Way string

// The ways of a StateMove. WayReference to WayImport are tried in this order.
const (
	WayNone       Way = "none"       // there was no state to move: nothing served before, or it had none
	WayReference  Way = "reference"  // the value itself was passed on; both generations share its type
	WayAdopt      Way = "adopt"      // the value itself was passed on, as the new generation's type
	WayConvert    Way = "convert"    // the value was copied, field by field, to the new generation's type
	WayImport     Way = "import"     // the new generation's Import was given a copy
	WayDowngrade  Way = "downgrade"  // the newer generation exported state in the older one's version
	WayKept       Way = "kept"       // the state that was kept from before an earlier flip
	WayCheckpoint Way = "checkpoint" // nothing served before; the last checkpoint was restored
	WayDropped    Way = "dropped"    // the new generation takes no state, by order; the old one's is kept until the release is confirmed
	WayHandover   Way = "handover"   // the state was sent by another process, encoded
)

// StateMove describes how a plugin's state came into a new generation. Schema and Version are those of the state that
// was moved.
type StateMove struct {
	Way     Way    `json:"way"`
	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`

	// Changes lists the fields that differ between the two generations: "added state.a", "removed state.b", "renamed
	// state.c → d", "retyped state.e: int32 → int64"; and "unlocked state.mu"
	// for a lock that a panic had left behind.
	Changes []string `json:"changes,omitempty"`

	// Lost lists the fields whose values the new generation did not get: "state.b", or "everything" if it takes no state.
	// Until the release is confirmed, a rollback brings them back. What an Import leaves out by itself isn't listed.
	Lost []string `json:"lost,omitempty"`

	// Unkept says why a state that was dropped can't be brought back by a rollback; empty if it can.
	Unkept string `json:"unkept,omitempty"`

	// Restored lists the fields that got back what an earlier move had lost. Unmatched is the number of elements of slices
	// whose fields could not be restored, because another element is at their place by now.
	Restored  []string `json:"restored,omitempty"`
	Unmatched int64    `json:"unmatched,omitempty"`

	// Unrestored lists the kept states that could not be used to restore what they have, each with the reason.
	Unrestored []string `json:"unrestored,omitempty"`

	// Uncheckpointed says why the new generation's state can't be checkpointed, so that a restart loses it; empty if it can.
	Uncheckpointed string `json:"uncheckpointed,omitempty"`

	// Entries is the number of map entries and slice elements that were copied, and Bytes the approximate size of the
	// copy. Both are zero if nothing was copied.
	Entries int64 `json:"entries,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`

	// Age is how old the state is, for WayKept and WayCheckpoint, in nanoseconds in JSON. What happened since is lost.
	// It is zero for all other ways.
	Age time.Duration `json:"age,omitempty"`

	// Waited describes the callers who had to wait while the state moved; nil if nobody did.
	Waited *Waited `json:"waited,omitempty"`
}

// moved is moveOf with what could not be restored for the candidate.
func (c *candidate) moved(t instance.Taken) StateMove {
	m := moveOf(t)
	m.Unrestored = c.unrestored
	return m
}

// moveOf returns the description of the state that an instance has accepted.
func moveOf(t instance.Taken) StateMove {
	m := StateMove{Way: Way(t.Way), Schema: t.Schema, Version: t.Version, Entries: t.Entries, Bytes: t.Bytes}
	for _, kind := range []struct {
		verb  string
		paths []string
	}{{"added", t.Added}, {"removed", t.Removed}, {"renamed", t.Renamed}, {"retyped", t.Retyped}, {"unlocked", t.Unlocked}} {
		for _, path := range kind.paths {
			m.Changes = append(m.Changes, kind.verb+" "+path)
		}
	}
	m.Lost, m.Restored, m.Unmatched = slices.Clone(t.Removed), t.Restored, t.Unmatched
	return m
}

// Waited describes the callers who waited while state moved: how many there were, and the median, 99th percentile and
// maximum of their waits, in nanoseconds in JSON. For a handover it covers all plugins: Calls is the total, and each
// duration is that of the plugin where it was longest.
type Waited struct {
	Calls int64         `json:"calls"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// with returns w with the waits at one more gate added: Calls is the total, and every duration the longest of all
// gates. A gate's figures are final only after it was opened.
func (w *Waited) with(s generations.GateStats) *Waited {
	if s.Passed == 0 {
		return w
	}
	if w == nil {
		w = new(Waited)
	}
	return &Waited{Calls: w.Calls + s.Passed, P50: max(w.P50, s.P50), P99: max(w.P99, s.P99), Max: max(w.Max, s.Max)}
}

// clone returns a copy with its own Phases, because a reload that is still running writes to the original's.
func (m Move) clone() Move {
	m.Phases = maps.Clone(m.Phases)
	return m
}
