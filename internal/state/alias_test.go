//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestArrayAliases has pointers to arrays that are parts of slices, and slices of arrays. A copy would part the two, so all
// are refused, in a conversion and in a stream.
func TestArrayAliases(t *testing.T) {
	type from struct {
		s []int
		p *[4]int
		n int32
	}
	type to struct {
		s []int
		p *[4]int
		n int64
	}
	type nested struct {
		s [][2]int
		p *[2][2]int
	}
	type nested2 struct {
		s [][2]int
		p *[2][2]int
		n int
	}
	type buffered struct {
		room [8]byte
		used []byte
	}
	type buffered2 struct {
		room [8]byte
		used []byte
		n    int
	}
	s, deep, b := []int{1, 2, 3, 4}, [][2]int{{1, 2}, {3, 4}}, &buffered{}
	b.used = b.room[:3]
	for _, test := range []struct {
		value any
		to    reflect.Type
	}{
		{&from{s: s, p: (*[4]int)(s)}, reflect.TypeFor[*to]()},
		{&nested{s: deep, p: (*[2][2]int)(deep)}, reflect.TypeFor[*nested2]()},
		{b, reflect.TypeFor[*buffered2]()},
	} {
		_, _, err := Compare(reflect.TypeOf(test.value), test.to).Move(test.value, Options{})
		if err == nil {
			t.Errorf("%T is converted, and what was one is two", test.value)
		}
		if err := Encode(io.Discard, abi.State{Value: test.value}); err == nil {
			t.Errorf("%T is encoded, and what was one is two", test.value)
		}
	}
	apart := &from{s: s, p: &[4]int{}}
	if got := move[*to](t, apart); len(got.s) != 4 || got.p == nil {
		t.Errorf("apart they become %+v", got)
	}
	if err := Encode(io.Discard, abi.State{Value: apart}); err != nil {
		t.Errorf("apart: %v", err)
	}
}

type ownSource struct{ n uint64 }

func (s *ownSource) Uint64() uint64 { s.n++; return s.n }

// TestOwnRandomSource refuses a generator of random numbers whose source is the plugin's own: it would run old code.
func TestOwnRandomSource(t *testing.T) {
	type from struct {
		r *rand.Rand
		n int32
	}
	type same struct {
		r *rand.Rand
		n int32
	}
	type to struct {
		r *rand.Rand
		n int64
	}
	std, own := from{r: rand.New(rand.NewPCG(1, 2))}, from{r: rand.New(&ownSource{})}
	if got := move[to](t, std); got.r != std.r {
		t.Error("a generator of the standard library isn't carried over")
	}
	if got := move[same](t, std); got.r != std.r {
		t.Error("a generator of the standard library isn't adopted")
	}
	refused(t, moveErr[to](own, Options{}), "state.r.src", "a type of the old generation only")
	refused(t, moveErr[same](own, Options{}), "state.r.src", "a type of the old generation only")
}

// TestEveryPlace lists a reason at each place where it holds, not only at the first.
func TestEveryPlace(t *testing.T) {
	type inner struct{ f func() }
	type from struct {
		a, b int64
		x, y inner
	}
	type to struct {
		a, b int32
		x, y inner
	}
	p := Compare(reflect.TypeFor[from](), reflect.TypeFor[to]())
	var paths []string
	for _, r := range p.Reasons {
		paths = append(paths, r.Path)
	}
	if want := []string{"state.a", "state.b", "state.x.f", "state.y.f"}; !reflect.DeepEqual(paths, want) {
		t.Errorf("the reasons are at %v, want %v", paths, want)
	}
}

// TestUnlocked adopts a state whose locks a panic has left behind: when nobody uses it they are set free, and otherwise not.
func TestUnlocked(t *testing.T) {
	type part struct {
		mu sync.RWMutex
		up *part
	}
	type from struct {
		sync.Mutex
		part *part
		free sync.Mutex
		n    int
	}
	type to struct {
		sync.Mutex
		part *part
		free sync.Mutex
		n    int
	}
	v := &from{part: &part{}}
	v.part.up = v.part
	v.Lock()
	v.part.mu.RLock()
	plan := Compare(reflect.TypeFor[*from](), reflect.TypeFor[*to]())
	moved, r, err := plan.Move(v, Options{})
	if err != nil || len(r.Unlocked) != 0 || moved.(*to).TryLock() {
		t.Fatalf("in use: %+v, %v", r, err)
	}
	moved, r, err = plan.Move(v, Options{Quiet: true})
	if err != nil || !slices.Equal(r.Unlocked, []string{"state.Mutex", "state.part.mu"}) || r.Way != ByAdoption {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := moved.(*to); !got.TryLock() || !got.part.mu.TryLock() || !got.free.TryLock() {
		t.Error("a lock is still held")
	}
}
