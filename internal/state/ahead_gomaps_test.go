//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi/keep"
)

type goMapState struct {
	kept   keep.Map[int, string]
	texts  map[string]flat1
	none   map[string]int
	counts map[[2]uint8]int
	list   []string
	mu     sync.Mutex
}

// change changes a state at random. Calls do that one at a time.
func (s *goMapState) change(r *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.IntN(300)
	switch r.IntN(6) {
	case 0:
		s.kept.Set(key, fmt.Sprint(r.Int()))
	case 1, 2:
		s.texts[fmt.Sprint(key)] = flat1{uint8(r.IntN(9)), true}
	case 3:
		delete(s.texts, fmt.Sprint(key))
	case 4:
		s.counts[[2]uint8{uint8(key), 1}]++
	case 5:
		delete(s.counts, [2]uint8{uint8(key), 1})
	}
}

// TestAheadGoMaps sends Go maps ahead beside a keep.Map. They are read while nobody has the gate.
func TestAheadGoMaps(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &goMapState{texts: map[string]flat1{}, counts: map[[2]uint8]int{}, list: []string{"a"}}
		for range r.IntN(2000) {
			s.change(r)
		}
		a := Track(s, true)
		var gate sync.RWMutex
		stop := make(chan struct{})
		var callers sync.WaitGroup
		for i := range uint64(3) {
			callers.Go(func() {
				for r := rand.New(rand.NewPCG(seed, 2+i)); ; {
					select {
					case <-stop:
						return
					default:
					}
					gate.RLock()
					s.change(r)
					gate.RUnlock()
				}
			})
		}
		read := func() (done bool) {
			gate.Lock()
			defer gate.Unlock()
			done, err := a.Read(time.Unix(1, 0)) // a part
			if err != nil {
				t.Error(err)
			}
			return done
		}
		read()
		base, end := a.Base()
		got := sent(t, base.(*goMapState))
		end()
		for range r.IntN(20) {
			if read(); r.IntN(2) == 0 {
				got = mergedGoMaps(t, a, got, false)
			}
		}
		close(stop)
		callers.Wait()
		s.list = append(s.list, "b")
		if !a.Of(s) {
			t.Error("the tracked state is another")
		}
		got = mergedGoMaps(t, a, got, true)
		a.End()
		if !maps.Equal(got.texts, s.texts) || !maps.Equal(got.counts, s.counts) || !maps.Equal(maps.Collect(got.kept.All()), maps.Collect(s.kept.All())) {
			t.Fatalf("seed %d: the maps have %d and %d entries, want %d and %d", seed, len(got.texts), len(got.counts), len(s.texts), len(s.counts))
		}
		if got.none != nil || !reflect.DeepEqual(got.list, s.list) {
			t.Errorf("the rest is %v, %v", got.none, got.list)
		}
	}
}

func mergedGoMaps(t *testing.T, a *Ahead, got *goMapState, all bool) *goMapState {
	t.Helper()
	changed, gone, n, left, err := a.Changes(all)
	if err != nil {
		t.Fatal(err)
	}
	c, g := changed.(*goMapState), gone.(*goMapState)
	if n != c.kept.Len()+len(c.texts)+len(c.counts) || left != g.kept.Len()+len(g.texts)+len(g.counts) {
		t.Errorf("it says that %d entries have changed and %d are gone", n, left)
	}
	got = Merge(got, sent(t, c)).(*goMapState)
	Without(got, sent(t, g))
	return got
}

// TestAheadReplaced has another map in the place of one that was read, or one in two places.
func TestAheadReplaced(t *testing.T) {
	type state struct{ a, b map[string]int }
	for name, replace := range map[string]func(s *state){
		"another":   func(s *state) { s.a = map[string]int{"x": 1} },
		"none":      func(s *state) { s.a = nil },
		"the first": func(s *state) { s.b = map[string]int{} },
		"the same":  func(s *state) { s.b = s.a },
	} {
		s := &state{a: map[string]int{"x": 1}}
		a := Track(s, true)
		if done, err := a.Read(time.Time{}); !done || err != nil || !a.Of(s) {
			t.Errorf("%s: %v, %v", name, done, err)
		}
		replace(s)
		if _, err := a.Read(time.Time{}); !errors.Is(err, ErrReplaced) || a.Of(s) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := &state{a: map[string]int{"x": 1}}
	s.b = s.a
	a := Track(s, true)
	if _, err := a.Read(time.Time{}); !errors.Is(err, ErrReplaced) || a.LeaveOut() || a.Reads() {
		t.Errorf("one map in two places: %v", err)
	}
}

// TestGoMapsGoAhead says which Go maps can go ahead.
func TestGoMapsGoAhead(t *testing.T) {
	type node struct {
		names map[string]int
		next  *node
	}
	for _, test := range []struct {
		of   reflect.Type
		want bool
	}{
		{reflect.TypeFor[*struct{ m map[string]int }](), true},
		{reflect.TypeFor[*goMapState](), true},
		{reflect.TypeFor[*struct{ m map[flat1]time.Time }](), true},
		{reflect.TypeFor[*struct {
			m map[string][2]struct{ a, b string }
		}](), true},
		{reflect.TypeFor[*struct {
			m    map[string]flat1
			more any // can't hold a map of the plugin's own type
		}](), true},
		{reflect.TypeFor[*struct {
			m    map[string]int
			more any
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]int
			more []map[string]int
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]int
			more *map[string]int
		}](), false},
		{reflect.TypeFor[*node](), false},
		{reflect.TypeFor[*struct{ m map[string]*int }](), true},
		{reflect.TypeFor[*struct{ m map[string][]byte }](), true},
		{reflect.TypeFor[*struct {
			m map[string]struct{ mu sync.Mutex }
		}](), true},
		{reflect.TypeFor[*forest](), true},
		{reflect.TypeFor[*struct {
			m    map[string]*treeChild
			more []string // which no pointer to a child leads to
			last *forest
		}](), false},
		{reflect.TypeFor[*struct {
			m     map[string]*treeChild
			first treeChild // a pointer may lead to it
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*treeChild
			list []treeChild
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*treeChild
			list *[]uint16
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*treeChild
			more any
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*treeChild
			more *[2]*float32
		}](), false},
		{reflect.TypeFor[*struct {
			m map[string]struct {
				whole *treeChild
				part  *[]uint16
			}
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*[2]string
			more []string
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*struct{ a [2]string }
			more []string
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]map[string]int
			more keep.Map[int, map[string]int]
		}](), false},
		{reflect.TypeFor[*struct {
			m     map[string]*flat1
			first flat1
		}](), false},
		{reflect.TypeFor[*struct {
			m    map[string]*flat1
			list []flat1
		}](), false},
		{reflect.TypeFor[*struct {
			m map[string]*flat1
			n uint8
		}](), true},
		{reflect.TypeFor[*struct{ m map[string]*[2]int }](), false},
		{reflect.TypeFor[*struct{ m map[string]*struct{} }](), false},
		{reflect.TypeFor[*struct{ m map[string]any }](), false},
		{reflect.TypeFor[*struct{ m map[string]*node }](), false},
		{reflect.TypeFor[*struct{ m map[string][65]*int }](), false},
		{reflect.TypeFor[*struct{ m map[float64]int }](), false},
		{reflect.TypeFor[*struct{ m map[any]int }](), false},
		{reflect.TypeFor[*struct{ m map[struct{}]int }](), false},
		{reflect.TypeFor[map[string]int](), false},
	} {
		if got := GoesAhead(test.of, true); got != test.want {
			t.Errorf("%v goes ahead: %v", test.of, got)
		}
	}
	if GoesAhead(reflect.TypeFor[*struct{ m map[string]int }](), false) {
		t.Error("a Go map goes ahead that doesn't count")
	}
}
