package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// This is a model of a handover: supervisor, giver and taker, what they send each other, and what can go wrong. A search goes through
// all states that they can reach together. The supervisor decides by the function that the server uses, course.next; giver and taker are
// those of handover_give.go and handover_take.go in the root, a step here for each message and each wait there.
//
// What can go wrong: any process dies at any moment, the supervisor too, giver or taker hangs at any moment, any step fails, any limit is
// over at any moment, any message is lost, the server is stopped at any moment. The number of such events, other than failing steps and
// limits, is bounded by modelState.faults.

// How far the giver is.
const (
	gIdle     = iota // serves, and has no order
	gOrdered         // serves; waits for the owner tokens
	gPlanned         // serves; has sent the plan
	gDrained         // the gates are shut
	gExported        // has sent all states: the taker may have started anything
	gAccepted        // the taker has accepted
	gGiven           // has sent yours: serves no state, ever
	gUndoing         // has failed, and waits for the taker's end
	gKept            // serves as before
	gReported        // has given all away, and finishes requests
)

// How far the taker is.
const (
	tBegun    = iota // waits for the plan
	tPlanned         // opens images
	tPrepared        // waits for states
	tStates          // has them
	tStarted         // has called a Start
	tAccepted        // has said so; only the giver's next word counts
	tServes          // has everything
	tSaid            // and the supervisor knows
	tFailed          // has stopped all, and ends
)

// The messages.
const (
	none = iota
	mGive
	mAbort
	mPlan
	mPrepared
	mStates
	mAccepted
	mYours
	mServing
	mFailed
	mKept
	mGiven
	mServes
)

type life int8

const (
	lives life = iota
	hangs
	dead
)

// queue holds what is on its way.
type queue [3]int8

func (q *queue) push(m int8) {
	for i := range q {
		if q[i] == none {
			q[i] = m
			return
		}
	}
	panic("the model's queues are too short")
}

func (q *queue) pop() { copy(q[:], append(q[1:], none)) }

// who serves, as the supervisor sees it.
const (
	nobodyYet = iota // the handover is under way
	theGiver
	theTaker
	another // a worker that boots from the store
	noOne   // the supervisor has died: both finish, and the next server waits for the store's lock, which they have
	allGone // the server has ended
)

type modelState struct {
	giver, taker               int8
	giverLife, takerLife       life
	started, given, undoes     bool // of the giver: undoes: it has an order to abort
	ownStarted                 bool // of the taker: it has called a Start
	toGiver, fromGiver         queue
	toTaker, fromTaker, serves queue // serves goes from the taker to the supervisor
	course                     course
	seen                       signs
	current                    int8
	stopping                   bool
	faults                     int8
}

// servers returns who serves state.
func (s modelState) servers() (who []string) {
	if s.giverLife != dead && (s.giver <= gPlanned || s.giver == gKept) {
		who = append(who, "giver")
	}
	if s.takerLife != dead && (s.taker == tServes || s.taker == tSaid) {
		who = append(who, "taker")
	}
	if s.current == another {
		who = append(who, "another")
	}
	return who
}

// fault returns what must never be in a state.
func (s modelState) fault() string {
	if who := s.servers(); len(who) > 1 {
		return strings.Join(who, " and ") + " serve state"
	}
	if s.giver == gKept && s.giverLife == lives && s.ownStarted && s.takerLife != dead {
		return "the giver serves beside a taker that has started something"
	}
	return ""
}

// end returns what is wrong with a state in which nothing happens any more.
func (s modelState) end() string {
	switch {
	case s.current == allGone && (s.giverLife != dead || s.takerLife != dead):
		return "the server has ended and left a worker"
	case s.current == allGone:
		return ""
	case s.stopping:
		return "the server doesn't stop"
	case s.current == nobodyYet:
		return "the handover doesn't end"
	case len(s.servers()) != 1:
		return "nobody serves state"
	}
	return ""
}

// search goes through all states, and returns how many there are and the first way to one that must not be.
func (r rules) search(faults int8) (states int, found string) {
	first := modelState{faults: faults}
	first.toGiver.push(mGive)
	type origin struct {
		from modelState
		name string
	}
	seen := map[modelState]origin{first: {}}
	way := func(s modelState) string {
		var names []string
		for s != first {
			names = append(names, seen[s].name)
			s = seen[s].from
		}
		slices.Reverse(names)
		return strings.Join(names, "; ")
	}
	for todo := []modelState{first}; len(todo) > 0; todo = todo[1:] {
		s := todo[0]
		if f := s.fault(); f != "" {
			return len(seen), f + ": " + way(s)
		}
		moves := false
		for _, step := range r.steps(s) {
			moves = moves || !step.fault
			if _, known := seen[step.to]; !known {
				seen[step.to] = origin{s, step.name}
				todo = append(todo, step.to)
			}
		}
		if f := s.end(); !moves && f != "" {
			return len(seen), f + ": " + way(s)
		}
	}
	if cycle := r.cycle(slices.Collect(maps.Keys(seen))); cycle != "" {
		return len(seen), "it goes on forever: " + cycle
	}
	return len(seen), ""
}

// cycle returns a way round among the states that no fault is needed for. If there is none, every run comes to an end.
func (r rules) cycle(states []modelState) string {
	before := map[modelState]int{} // how many steps lead to a state
	next := map[modelState][]modelState{}
	for _, s := range states {
		for _, step := range r.steps(s) {
			if !step.fault {
				next[s] = append(next[s], step.to)
				before[step.to]++
			}
		}
	}
	todo := slices.DeleteFunc(slices.Clone(states), func(s modelState) bool { return before[s] > 0 })
	left := len(states)
	for ; len(todo) > 0; left-- {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range next[s] {
			if before[to]--; before[to] == 0 {
				todo = append(todo, to)
			}
		}
	}
	if left == 0 {
		return ""
	}
	for _, s := range states {
		if before[s] > 0 {
			return fmt.Sprintf("%d states, such as %+v", left, s)
		}
	}
	return ""
}

// TestModel shows that in every run of a handover at most one process serves state at any time, that the run ends, and that in the end
// one process serves state, or none is left of a server that was stopped.
func TestModel(t *testing.T) {
	t.Parallel()
	faults := int8(3)
	if testing.Short() {
		faults = 2
	}
	states, found := allRules().search(faults)
	if found != "" {
		t.Error(found)
	}
	t.Logf("%d states", states)
}

// TestModelNotices leaves out the guards of the protocol, one at a time. The search finds what goes wrong without each.
func TestModelNotices(t *testing.T) {
	t.Parallel()
	deaf := func(when func(course, signs) bool) func(course, signs) (course, deed) {
		return func(c course, s signs) (course, deed) {
			if when(c, s) {
				return c, wait
			}
			return c.next(s)
		}
	}
	for _, test := range []struct {
		guard, want string
		leaveOut    func(*rules)
	}{
		{"a giver ends the taker before it goes on", "the giver serves beside a taker", func(r *rules) { r.undo = false }},
		{"a giver that has sent yours never goes on", "serve state", func(r *rules) { r.given = false }},
		{"a taker waits for yours", "serve state", func(r *rules) { r.waitYours = false }},
		{"hung workers are ended", "doesn't end", func(r *rules) { r.killHung = false; r.next = deaf(func(_ course, s signs) bool { return s.expired }) }},
		{"the next server waits for the lock", "serve state", func(r *rules) { r.lock = false }},
		{"the limit for aborting", "the handover doesn't end", func(r *rules) {
			r.next = deaf(func(c course, s signs) bool { return c == aborting && s.expired })
		}},
		{"the limit after the taker was killed", "the handover doesn't end", func(r *rules) {
			r.next = deaf(func(c course, s signs) bool { return c == deserted && s.expired })
		}},
		{"the limit for the whole", "the handover doesn't end", func(r *rules) {
			r.next = deaf(func(c course, s signs) bool { return c == underway && s.expired })
		}},
		{"the limit for a taker without a giver", "the handover doesn't end", func(r *rules) {
			r.next = deaf(func(c course, s signs) bool { return c == orphaned && s.expired })
		}},
		{"a taker without a giver decides", "serve state", func(r *rules) {
			r.killTaker = false
			r.next = func(c course, s signs) (course, deed) {
				if s.giverGone && !s.reported {
					return settled, giveUp
				}
				return c.next(s)
			}
		}},
		{"the giver's word counts, and not the limit", "state", func(r *rules) {
			r.next = func(c course, s signs) (course, deed) {
				if c == underway && s.expired && !s.giverGone && !s.reported {
					return settled, giveUp
				}
				return c.next(s)
			}
		}},
	} {
		r := allRules()
		test.leaveOut(&r)
		states, found := r.search(2)
		t.Logf("without %q, %d states: %s", test.guard, states, found)
		if test.want == "" && found != "" || test.want != "" && !strings.Contains(found, test.want) {
			t.Errorf("without %q the search finds %q, want %q", test.guard, found, test.want)
		}
	}
}
