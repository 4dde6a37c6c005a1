package generations

import (
	"fmt"
	"testing"
)

// TestModel goes through every interleaving of the atomic operations by which two callers take and release leases, and an owner
// swaps, shuts a gate, drains, and puts a generation back. Go's atomic operations have one order that all goroutines agree on, on
// every architecture, so interleavings are all there is. In each state that can be reached:
//
//   - nobody holds a lease on a generation that is drained,
//   - nobody who began after somebody had got the next generation gets the old one,
//   - if nobody can go on, everybody is done: no wake-up is lost,
//
// and in the end no lease is counted. TestModelNotices shows that the model would notice it.
func TestModel(t *testing.T) {
	for name, owners := range modelOwners {
		for shards := 1; shards <= 2; shards++ {
			t.Run(fmt.Sprintf("%s, shards: %d", name, shards), func(t *testing.T) {
				m := model{shards: shards, calls: 2, owners: owners}
				if testing.Short() && len(owners) > 1 {
					m.calls = 1
				}
				if fault := m.explore(); fault != "" {
					t.Error(fault)
				}
				if len(m.seen) < 500 {
					t.Errorf("only %d states", len(m.seen))
				}
				t.Logf("%d states", len(m.seen))
			})
		}
	}
}

// TestModelNotices breaks the rules, one at a time.
func TestModelNotices(t *testing.T) {
	for name, b := range map[string]breach{
		"Swap doesn't bar the old generation":        {unbarred: true},
		"Acquire asks first and then counts":         {askFirst: true},
		"Acquire doesn't take back what came late":   {kept: true},
		"Acquire takes back and wakes nobody":        {silent: true},
		"Release asks first and then subtracts":      {lookFirst: true},
		"Drain reads first and then says it waits":   {waitLate: true},
		"Drain looks at one shard":                   {oneShard: true},
		"Drain doesn't ask whether it was put back":  {stale: true},
		"a generation is put back without a wake-up": {unwoken: true},
	} {
		t.Run(name, func(t *testing.T) {
			for owner, owners := range modelOwners {
				m := model{shards: 2, calls: 1, owners: owners, breach: b}
				if fault := m.explore(); fault != "" {
					t.Logf("%s: %s", owner, fault)
					return
				}
			}
			t.Error("the model finds nothing")
		})
	}
}

// breach says which rule is broken.
type breach struct {
	unbarred, askFirst, kept, silent, lookFirst, waitLate, oneShard, stale, unwoken bool
}

// What a slot may have: two generations, or the placeholder of a gate.
const (
	modelOld = iota
	modelNext
	modelGate
)

// modelState is everything that the operations read and write. At first the slot serves the old generation.
type modelState struct {
	current int8
	shards  [2][2]int64 // of the old and the next generation; a caller waits as soon as it finds the placeholder
	nextGot bool        // somebody has got the next generation

	// Of the old generation.
	waiting, wake bool // see drains
	locked        bool // its mutex is
	live, drained bool // its State is
	entered       int8
	everyone      [modelProcs]modelProc
}

const (
	modelCallers = 2
	modelProcs   = modelCallers + 2
)

// modelProc is a goroutine: where it is in its program, and its variables.
type modelProc struct {
	pc   int8
	done bool

	// A caller's.
	calls  int8 // made
	begun  bool // the present one
	late   bool // it began after somebody had got the next generation; or, of a drain, the breach waitLate
	g      int8 // the generation that it has loaded
	holds  bool // a lease on it
	answer bool // what it has asked too early, if that breach is on

	// A drain's.
	entered        int8
	asleep, failed bool
}

// A step is one operation of goroutine i. It returns the states that may follow: none if the goroutine can't go on now.
type step func(m *model, s modelState, i int) []modelState

type model struct {
	shards int
	calls  int8     // by each caller
	owners [][]step // their programs
	breach breach
	seen   map[modelState]bool
}

// explore returns what is wrong, or "".
func (m *model) explore() string {
	first := modelState{live: true}
	for i := modelCallers + len(m.owners); i < modelProcs; i++ {
		first.everyone[i].done = true
	}
	m.seen = map[modelState]bool{first: true}
	for left := []modelState{first}; len(left) > 0; {
		s := left[len(left)-1]
		left = left[:len(left)-1]
		nobody := true
		for i := range s.everyone {
			for _, next := range m.next(s, i) {
				nobody = false
				if !m.seen[next] {
					m.seen[next] = true
					left = append(left, next)
				}
			}
		}
		if fault := s.fault(nobody); fault != "" {
			return fmt.Sprintf("%s: %+v", fault, s)
		}
	}
	return ""
}

func (m *model) next(s modelState, i int) []modelState {
	p := &s.everyone[i]
	if p.done {
		return nil
	}
	program := modelCaller
	if i >= modelCallers {
		program = m.owners[i-modelCallers]
	}
	if int(p.pc) == len(program) {
		*p = modelProc{done: true}
		return []modelState{s}
	}
	return program[p.pc](m, s, i)
}

// fault returns what is wrong with a state, in which nobody can go on or somebody can.
func (s *modelState) fault(nobody bool) string {
	for _, p := range s.everyone {
		switch {
		case p.holds && p.g == modelOld && s.drained:
			return "a lease on a drained generation"
		case p.holds && p.g == modelOld && p.late && s.entered == 0:
			return "the old generation after the next one"
		case nobody && !p.done:
			return "somebody is stuck"
		}
	}
	for _, shards := range s.shards {
		for _, n := range shards {
			if nobody && heldBy(n) != 0 {
				return "in the end a lease is counted"
			}
		}
	}
	return ""
}
