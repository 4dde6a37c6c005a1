package generations

import (
	"fmt"
	"testing"
)

// TestModel goes through every interleaving of the operations by which two callers take and release leases, and an owner swaps, shuts a
// gate, drains, and puts a generation back. Go's atomic operations have one order that all goroutines agree on, on every architecture, so
// for leases that are counted interleavings are all there is. Where words are claimed there are the two processors' store buffers, too,
// as in x86-TSO (Sewell and others: x86-TSO, 2010): a plain store reaches the memory some time later, in order; a load sees it at once
// on its own processor; an atomic operation that writes empties its processor's buffer first; and a fence empties both. In each state
// that can be reached:
//
//   - nobody holds a lease on a generation that is drained,
//   - nobody who began after somebody had got the next generation gets the old one,
//   - if nobody can go on, everybody is done: no wake-up is lost,
//
// and in the end no lease is counted. TestModelNotices shows that the model would notice it.
func TestModel(t *testing.T) {
	for name, owners := range modelOwners {
		for what, m := range map[string]model{
			"one shard": {shards: 1, calls: 2}, "two shards": {shards: 2, calls: 2}, "words": {shards: 2, calls: 2, claimed: true, depth: 4},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				m.owners = owners
				if m.claimed || testing.Short() {
					m.calls = int8(3 - len(owners))
				}
				if testing.Short() && m.claimed {
					if len(owners) > 1 {
						t.Skip("four million states, or a million")
					}
					m.calls, m.depth = 1, 2
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
	counted, words := model{shards: 2, calls: 1}, model{shards: 2, calls: 1, claimed: true, depth: 2}
	for _, test := range []struct {
		name   string
		breach breach
		owner  string
		in     []model
	}{
		{"Swap doesn't bar the old generation", breach{unbarred: true}, "gate", []model{counted, words}},
		{"Acquire asks first and then counts or claims", breach{askFirst: true}, "gate", []model{counted, words}},
		{"Acquire doesn't take back what came late", breach{kept: true}, "gate", []model{counted, words}},
		{"Acquire takes back and wakes nobody", breach{silent: true}, "gate", []model{counted, words}},
		{"Release asks first and then subtracts or clears", breach{lookFirst: true}, "gate", []model{counted, words}},
		{"Drain reads first and then says it waits", breach{waitLate: true}, "gate", []model{counted, words}},
		{"Drain looks at one shard", breach{oneShard: true}, "gate", []model{counted, words}},
		{"Drain doesn't ask whether it was put back", breach{stale: true}, "put back beside a drain", []model{counted}},
		{"a generation is put back without a wake-up", breach{unwoken: true}, "put back beside a drain", []model{counted}},

		{"Drain doesn't wait for stores", breach{unfenced: true}, "gate", []model{words}},
		{"both processors claim the same word", breach{sameWord: true}, "gate", []model{words}},
		{"claims are allowed before there are fences", breach{early: true}, "registration", []model{words}},
		{"Release wakes before its word is seen", breach{unseen: true}, "gate", []model{words}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, m := range test.in {
				m.owners, m.breach = modelOwners[test.owner], test.breach
				fault := m.explore()
				if fault == "" {
					t.Errorf("claimed: %t: the model finds nothing", m.claimed)
				}
				t.Log(fault)
			}
		})
	}
}

// breach says which rule is broken.
type breach struct {
	unbarred, askFirst, kept, silent, lookFirst, waitLate, oneShard, stale, unwoken bool

	unfenced, sameWord, early, unseen bool // of claims
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

	words    [2][modelProcessors]bool // of the generations: which processors' words are claimed, in memory
	buffers  [modelProcessors]modelBuffer
	fencing  bool // fences are to be made
	claiming bool // words may be claimed

	// Of the old generation.
	waiting, wake bool // see drains
	locked        bool // its mutex is
	live, drained bool // its State is
	entered       int8
	everyone      [modelProcs]modelProc
}

const (
	modelProcessors = 2

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
	on     int8 // the processor that it runs on
	word   int8 // whose word it has claimed, counted from 1; 0 for none
	answer bool // what it has asked too early, if that breach is on

	// A drain's.
	entered        int8
	asleep, failed bool
}

// A step is one operation of goroutine i. It returns the states that may follow: none if the goroutine can't go on now.
type step func(m *model, s modelState, i int) []modelState

type model struct {
	shards  int
	calls   int8     // by each caller
	owners  [][]step // their programs
	claimed bool     // callers claim words, or else count
	depth   int      // of the store buffers
	breach  breach
	seen    map[modelState]bool
}

// explore returns what is wrong, or "".
func (m *model) explore() string {
	first := modelState{live: true, fencing: m.claimed, claiming: m.claimed}
	if m.registers() {
		first.fencing, first.claiming = false, false
	}
	for i := modelCallers + len(m.owners); i < modelProcs; i++ {
		first.everyone[i].done = true
	}
	m.seen = map[modelState]bool{first: true}
	for left := []modelState{first}; len(left) > 0; {
		s := left[len(left)-1]
		left = left[:len(left)-1]
		nobody := true
		reach := func(next modelState) {
			nobody = false
			if !m.seen[next] {
				m.seen[next] = true
				left = append(left, next)
			}
		}
		for i := range s.everyone {
			for _, next := range m.next(s, i) {
				reach(next)
			}
		}
		for i := range s.buffers {
			if s.buffers[i][0] != 0 {
				next := s
				next.store(i)
				reach(next)
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
	for g, shards := range s.shards {
		for i, n := range shards {
			if nobody && (heldBy(n) != 0 || s.words[g][i]) {
				return "in the end there is a lease"
			}
		}
	}
	return ""
}
