//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type aheadEntry struct {
	n    int
	text string
	tags []string
	at   time.Time
}

type aheadState struct {
	first  keep.Map[string, aheadEntry]
	count  int
	rest   map[uint8]*int
	second keep.Map[int, string]
	mu     sync.Mutex
}

// sent is a state on its way through a stream.
func sent[T any](t *testing.T, value T) T {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, abi.State{Value: value}); err != nil {
		t.Fatal(err)
	}
	s, _, err := Decode(&b, reflect.TypeFor[T](), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Value.(T)
}

// change changes a state at random.
func (s *aheadState) change(r *rand.Rand) {
	key := r.IntN(300)
	switch r.IntN(6) {
	case 0:
		s.first.Set(fmt.Sprint(key), aheadEntry{n: key, text: fmt.Sprint(r.Int()), tags: []string{"a", fmt.Sprint(r.Int())}})
	case 1:
		s.first.Update(fmt.Sprint(key), func(e aheadEntry, _ bool) aheadEntry { e.n++; return e })
	case 2:
		s.first.Delete(fmt.Sprint(key))
	case 3:
		s.second.Set(key, fmt.Sprint(r.Int()))
	case 4:
		s.second.Delete(key)
	}
}

// TestAhead sends a state ahead while goroutines change it, and then what has changed, any number of times. What the receiver puts
// together is what the state is in the end.
func TestAhead(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		one := 1
		s := &aheadState{count: 7, rest: map[uint8]*int{1: &one, 2: &one}}
		for range r.IntN(500) {
			s.change(r)
		}
		a := Track(s, true)
		if a == nil || Track(s, true) != nil {
			t.Fatal("a state is not tracked, or twice")
		}
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for i := range uint64(3) {
			writers.Go(func() {
				r := rand.New(rand.NewPCG(seed, 2+i))
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if s.change(r); n%50 == 0 {
						time.Sleep(10 * time.Microsecond)
					}
				}
			})
		}
		base, end := a.Base()
		got := sent(t, base.(*aheadState))
		end()
		for range r.IntN(4) {
			got = merged(t, a, got, false)
		}
		close(stop)
		writers.Wait()
		s.count = 8
		if !a.Of(s) || a.Of(&aheadState{}) || a.Of(s.rest) || a.Of((*aheadState)(nil)) {
			t.Error("the tracked state is another")
		}
		got = merged(t, a, got, true)
		wantFirst, wantSecond := maps.Collect(s.first.All()), maps.Collect(s.second.All())
		if have := maps.Collect(got.first.All()); !reflect.DeepEqual(have, wantFirst) || got.first.Len() != len(wantFirst) {
			t.Fatalf("seed %d: the first map has %d entries, want %d", seed, len(have), len(wantFirst))
		}
		if have := maps.Collect(got.second.All()); !maps.Equal(have, wantSecond) || got.second.Len() != len(wantSecond) {
			t.Fatalf("seed %d: the second map has %d entries, want %d", seed, len(have), len(wantSecond))
		}
		if got.count != 8 || *got.rest[1] != 1 || got.rest[1] != got.rest[2] {
			t.Errorf("the rest is %d, %v", got.count, got.rest)
		}
		if _, _, n, left, _ := a.Changes(false); n != 0 || left != 0 {
			t.Errorf("%d entries have changed since, and %d are gone", n, left)
		}
		a.End()
		s.second = keep.Map[int, string]{}
		if b := Track(s, true); b == nil {
			t.Error("a state can't be tracked again")
		} else {
			if s.second = (keep.Map[int, string]{}); b.Of(s) {
				t.Error("a map that has taken the place of another is the same")
			}
			b.End()
		}
	}
}

func merged(t *testing.T, a *Ahead, got *aheadState, all bool) *aheadState {
	t.Helper()
	changed, gone, n, left, _ := a.Changes(all)
	c, g := changed.(*aheadState), gone.(*aheadState)
	if n != c.first.Len()+c.second.Len() || left != g.first.Len()+g.second.Len() {
		t.Errorf("%d entries have changed and %d are gone, but it says %d and %d", c.first.Len()+c.second.Len(), g.first.Len()+g.second.Len(), n, left)
	}
	got = Merge(got, sent(t, c)).(*aheadState)
	Without(got, sent(t, g))
	return got
}

// TestGoesAhead says which states have something that can go ahead.
func TestGoesAhead(t *testing.T) {
	type pointed struct{ p *int }
	type holds struct{ m map[string]int }
	type tied struct {
		kept  keep.Map[string, []aheadEntry]
		other []aheadEntry
	}
	type deep struct{ inner *aheadState }
	for _, test := range []struct {
		of   reflect.Type
		want bool
	}{
		{reflect.TypeFor[*aheadState](), true},
		{reflect.TypeFor[aheadState](), false}, // a copy has maps of its own
		{reflect.TypeFor[*struct{ m keep.Map[string, pointed] }](), false},
		{reflect.TypeFor[*struct{ m keep.Map[string, holds] }](), false},
		{reflect.TypeFor[*struct{ m keep.Map[string, any] }](), false},
		{reflect.TypeFor[*tied](), false},
		{reflect.TypeFor[*deep](), false},
		{reflect.TypeFor[*struct{ m map[string]int }](), false},
		{reflect.TypeFor[map[string]int](), false},
		{nil, false},
	} {
		if got := GoesAhead(test.of, false); got != test.want {
			t.Errorf("%v goes ahead: %v", test.of, got)
		}
	}
	if Track((*aheadState)(nil), true) != nil || Track(nil, true) != nil {
		t.Error("nothing is tracked")
	}
}
