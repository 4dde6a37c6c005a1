package sohost

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/state"
)

// StateMove says how a plugin's state came into a new generation.
type StateMove struct {
	// Way is one of the Way constants.
	Way string `json:"way"`

	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`

	// Changes are the fields that are not the same in both generations: "added state.a", "removed state.b",
	// "renamed state.c → d", "retyped state.e: int32 → int64". What was removed is lost.
	Changes []string `json:"changes,omitempty"`

	// Entries counts the map entries and slice elements that were copied, and Bytes is about what the copy takes. Both
	// are zero if nothing was copied.
	Entries int64 `json:"entries,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`

	// Age is how old the state is that was kept or checkpointed, in nanoseconds in JSON: what happened since is lost.
	Age time.Duration `json:"age,omitempty"`

	// Waited tells of the callers who had to wait while the state moved; absent if none had to.
	Waited *Waited `json:"waited,omitempty"`
}

// Waited tells of callers who waited while state moved. The durations are nanoseconds in JSON.
type Waited struct {
	Calls int64         `json:"calls"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// The ways of a StateMove. Those up to WayImport are tried in this order.
const (
	WayNone       = "none"       // there is no state: nothing served before, or the plugin has none
	WayReference  = "reference"  // the value itself was handed over: both generations know its type
	WayAdopt      = "adopt"      // the value itself was handed over, under the new generation's type
	WayConvert    = "convert"    // the value was copied field by field into the new generation's type
	WayImport     = "import"     // the new generation's Import has taken a copy
	WayDowngrade  = "downgrade"  // the newer generation has given its state in the older one's version
	WayKept       = "kept"       // the state that the older generation had before the flip has come back
	WayCheckpoint = "checkpoint" // nothing served before: the state is that of the last checkpoint
	WayDropped    = "dropped"    // the new generation takes no state; the old one's is lost
	WayHandover   = "handover"   // the state came from another process, encoded on its way
)

// kept is the state that a generation gave away in a move that has no way back.
type kept struct {
	generation generations.ID
	state      abi.State
	time       time.Time
}

// moves says whether there is state to move from the old generation to the candidate.
func (c *candidate) moves() bool {
	if c.serves == nil {
		return false
	}
	_, has := c.serves.Value().instance.(abi.Stateful)
	_, takes := c.live.instance.(abi.Stateful)
	return has && takes
}

// takeState brings state into the candidate's instance: the old generation's, or if nothing serves the last checkpoint's.
func (h *Host) takeState(ctx context.Context, c *candidate) (err error) {
	defer caught(&err)
	c.phase = "state"
	_, takes := c.live.instance.(abi.Stateful)
	return timed(&c.phases.State, func() error {
		switch {
		case c.moves():
			return h.moveState(ctx, c)
		case c.serves == nil && takes:
			return h.restore(ctx, c)
		case c.serves != nil && !takes:
			if _, had := c.serves.Value().instance.(abi.Stateful); had {
				c.state.Way = WayDropped
				h.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.name,
					"from", c.from.Short(), "to", c.id.Short())
			}
		}
		return nil
	})
}

// moveState takes the state from the old generation and gives it to the candidate's instance. The old one keeps a value that
// nobody else changes, unless that was adopted.
func (h *Host) moveState(ctx context.Context, c *candidate) error {
	old := c.serves.Value()
	if c.gate != nil {
		if err := old.pause(ctx); err != nil {
			return err
		}
	}
	if k := c.plugin.kept; k != nil && k.generation == c.id {
		return h.takeKept(ctx, c, k)
	}
	given, way, err := export(ctx, old, c.live.descriptor.State)
	if err != nil {
		return err
	}
	if c.state, err = c.live.accept(ctx, given, h.moveOptions(c), true); err != nil {
		return err
	}
	if way != "" {
		c.state.Way = way
	}
	if cameByCopy(c.state) && !wayBack(c.live, given) {
		c.keep = &kept{generation: c.from, state: given, time: time.Now()}
	}
	return nil
}

// takeKept goes back to the state from before the flip, because what the newer generation has can't be carried back. The
// move may still fail, so it is a copy that is given away.
func (h *Host) takeKept(ctx context.Context, c *candidate, k *kept) error {
	given := k.state
	copied, _, err := state.Copy(given.Value, h.opts.StateLimit)
	if err != nil {
		return fmt.Errorf("copy the state kept from before: %w", err)
	}
	given.Value = copied
	if c.state, err = c.live.accept(ctx, given, h.moveOptions(c), false); err != nil {
		return err
	}
	c.state.Way, c.state.Age = WayKept, time.Since(k.time)
	h.log.Warn("state is that from before the newer generation, which has no way back: what happened since is lost",
		"plugin", c.plugin.name, "generation", c.id.Short(), "age", c.state.Age)
	return nil
}

// moveOptions are for a move from the generation that serves, if any, to the candidate. A package that both images have, with
// the same hash, is one and the same: what differs between images is named after its content.
func (h *Host) moveOptions(c *candidate) state.Options {
	o := state.Options{MaxBytes: h.opts.StateLimit}
	if c.serves != nil {
		old, new := c.serves.Value().image.Info().Packages, c.live.image.Info().Packages
		o.Shared = func(path string) bool {
			hash, has := old[path]
			return has && new[path] == hash
		}
	}
	return o
}

// export takes the state of an instance, in the form that the receiver knows if the instance can go back to that. way is
// WayDowngrade then.
func export(ctx context.Context, from *live, wants abi.State) (s abi.State, way string, err error) {
	has := from.descriptor.State
	down, ok := from.instance.(abi.Downgrader)
	if ok && wants.Schema == has.Schema && 0 < wants.Version && wants.Version < has.Version {
		err = guard(ctx, "ExportAs", func(ctx context.Context) (err error) {
			s, err = down.ExportAs(ctx, wants.Version)
			return err
		})
		return s, WayDowngrade, err
	}
	s, err = from.export(ctx)
	return s, "", err
}

func (l *live) export(ctx context.Context) (s abi.State, err error) {
	err = guard(ctx, "Export", func(ctx context.Context) (err error) {
		s, err = l.instance.(abi.Stateful).Export(ctx)
		return err
	})
	return s, err
}

// accept gives a state to the instance: by Adopt the value itself, by Import a copy of it unless nobody else has it.
func (l *live) accept(ctx context.Context, given abi.State, o state.Options, shared bool) (StateMove, error) {
	wants := l.descriptor.State
	move := StateMove{Way: WayImport, Schema: given.Schema, Version: given.Version}
	fitted, report, fitErr := fit(given.Value, wants.Value, o)
	if errors.Is(fitErr, state.ErrLimit) {
		return move, fitErr
	}
	adopter, adopts := l.instance.(abi.Adopter)
	if adopts && fitErr == nil && wants.Value != nil && given.Schema == wants.Schema && given.Version == wants.Version {
		move.Way = report.Way.String()
		move.copied(report)
		return move, guard(ctx, "Adopt", func(context.Context) error { adopter.Adopt(fitted); return nil })
	}
	s := given
	if fitErr == nil {
		s.Value = fitted
	}
	switch {
	case report.Way == state.ByConversion:
		move.Way = WayConvert
	case shared:
		copied, r, err := state.Copy(s.Value, o.MaxBytes)
		switch {
		case err == nil:
			s.Value, report = copied, r
		case errors.Is(err, state.ErrLimit):
			return move, err
		} // else there is no copy of such a value: see abi.Stateful
	}
	move.copied(report)
	err := guard(ctx, "Import", func(ctx context.Context) error { return l.instance.(abi.Stateful).Import(ctx, s) })
	if err != nil && fitErr != nil {
		err = fmt.Errorf("%w (the host could not make the value over: %w)", err, fitErr)
	}
	return move, err
}

// fit makes a value over to the type of the prototype. Without a prototype the value stays as it is.
func fit(value, prototype any, o state.Options) (any, state.Report, error) {
	if prototype == nil {
		return value, state.Report{}, nil
	}
	return state.Compare(reflect.TypeOf(value), reflect.TypeOf(prototype)).Move(value, o)
}

func (m *StateMove) copied(r state.Report) {
	m.Entries, m.Bytes = r.Entries, r.Bytes
	for _, kind := range []struct {
		verb  string
		paths []string
	}{{"added", r.Added}, {"removed", r.Removed}, {"renamed", r.Renamed}, {"retyped", r.Retyped}} {
		for _, path := range kind.paths {
			m.Changes = append(m.Changes, kind.verb+" "+path)
		}
	}
}

// cameByCopy says whether the giver's value is still the giver's alone after such a move.
func cameByCopy(m StateMove) bool { return m.Way != WayReference && m.Way != WayAdopt }

// wayBack says whether the state of an instance could be moved back to where given came from.
func wayBack(l *live, given abi.State) bool {
	has := l.descriptor.State
	if _, ok := l.instance.(abi.Downgrader); ok {
		return true
	}
	return has.Schema == given.Schema && has.Version == given.Version && has.Value != nil &&
		state.Compare(reflect.TypeOf(has.Value), reflect.TypeOf(given.Value)).Way != state.None
}
