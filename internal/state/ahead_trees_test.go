//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"
)

type treeEntry struct {
	mu     sync.Mutex
	n      int
	text   string
	tags   []string
	at     time.Time
	child  *treeChild
	limits map[string]int8
	sum    big.Int
	_      func()
}

type treeChild struct {
	numbers []uint16
	deep    [2]*float32
}

type treeRow struct {
	text    string
	numbers []uint16
}

type forest struct {
	entries map[string]*treeEntry
	lists   map[int][]flat1
	grids   map[string]map[[2]int8]string
	bytes   map[string][]byte
	inner   struct {
		count int
		byID  map[uint32]*treeEntry
		rows  map[bool][][]treeRow
	}
	more []float64
}

func newForest() *forest {
	s := &forest{entries: map[string]*treeEntry{}, lists: map[int][]flat1{}, grids: map[string]map[[2]int8]string{}, bytes: map[string][]byte{}}
	s.inner.byID, s.inner.rows = map[uint32]*treeEntry{}, map[bool][][]treeRow{}
	return s
}

func newTreeChild(r *rand.Rand) *treeChild {
	n := float32(r.IntN(9))
	return &treeChild{make([]uint16, r.IntN(3)), [2]*float32{nil, &n}}
}

func newTreeEntry(r *rand.Rand) *treeEntry {
	e := &treeEntry{n: r.IntN(9), text: fmt.Sprint(r.IntN(9)), at: time.Unix(int64(r.IntN(9)), 0)}
	if r.IntN(2) == 0 {
		e.tags, e.child, e.limits = []string{"a", fmt.Sprint(r.IntN(9))}, newTreeChild(r), map[string]int8{"x": int8(r.IntN(9))}
	}
	return e
}

// change changes a state at random, in place or not. If shares is set, two places may come to refer to the same.
func (s *forest) change(r *rand.Rand, keys int, shares bool) {
	key := r.IntN(keys)
	name, other := fmt.Sprint(key), fmt.Sprint(r.IntN(keys))
	switch r.IntN(16) {
	case 0, 1, 2:
		s.entries[name] = newTreeEntry(r)
	case 3:
		delete(s.entries, name)
	case 4, 5:
		if e := s.entries[name]; e != nil {
			e.change(r)
		}
	case 6: // under another key
		if e := s.entries[name]; e != nil {
			delete(s.entries, name)
			s.entries[other] = e
		}
	case 7:
		s.entries[name] = nil
	case 8:
		if s.lists[key] = append(s.lists[key], flat1{uint8(key), true}); r.IntN(4) == 0 {
			s.lists[key] = s.lists[key][1:]
		}
	case 9:
		if list := s.lists[key]; len(list) > 0 {
			list[r.IntN(len(list))].n++
		}
	case 10:
		if s.grids[name] == nil {
			s.grids[name] = map[[2]int8]string{}
		}
		s.grids[name][[2]int8{int8(r.IntN(5))}] = fmt.Sprint(r.IntN(9))
		delete(s.grids[other], [2]int8{int8(r.IntN(5))})
	case 11:
		s.bytes[name] = append(s.bytes[name], byte(key))
		if s.bytes[name][0]++; r.IntN(4) == 0 {
			s.bytes[name] = s.bytes[name][:1]
		}
	case 12:
		s.inner.byID[uint32(key)] = newTreeEntry(r)
		delete(s.inner.byID, uint32(r.IntN(keys)))
	case 13:
		s.inner.rows[key%2 == 0] = append(s.inner.rows[key%2 == 0], []treeRow{{fmt.Sprint(key), newTreeChild(r).numbers}})
	case 14:
		s.inner.count, s.more = s.inner.count+1, append(s.more, 1)
	case 15:
		if e := s.entries[name]; shares && e != nil {
			s.share(r, e, other, key)
		}
	}
}

func (e *treeEntry) change(r *rand.Rand) {
	switch r.IntN(6) {
	case 0:
		e.n++
	case 1:
		if len(e.tags) > 0 {
			e.tags[0] = fmt.Sprint(r.IntN(9))
		}
	case 2:
		if e.limits != nil {
			e.limits[fmt.Sprint(r.IntN(3))]++
			delete(e.limits, fmt.Sprint(r.IntN(3)))
		}
	case 3:
		e.child = newTreeChild(r)
	case 4:
		if e.child != nil {
			*e.child.deep[1]++
		}
	case 5:
		e.sum.Add(&e.sum, big.NewInt(1<<62))
	}
}

// share has something of an entry in a second place.
func (s *forest) share(r *rand.Rand, e *treeEntry, other string, id int) {
	o := s.entries[other]
	switch r.IntN(6) {
	case 0:
		s.entries[other] = e
	case 1:
		s.inner.byID[uint32(id)] = e
	case 2:
		if o != nil {
			o.child = e.child
		}
	case 3:
		if o != nil {
			o.limits = e.limits
		}
	case 4:
		if o != nil {
			o.tags = e.tags
		}
	case 5:
		if o != nil && o.child != nil && e.child != nil {
			o.child.deep[0] = e.child.deep[1]
		}
	}
}

// refersTwice reports whether something in a value is referred to twice.
func refersTwice(v reflect.Value, met map[claimed]map[uintptr]bool) bool {
	met2 := func(object reflect.Type) bool {
		at := claimed{v.Kind(), object}
		if met[at] == nil {
			met[at] = map[uintptr]bool{}
		}
		was := met[at][v.Pointer()]
		met[at][v.Pointer()] = true
		return was
	}
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && v.Type() != reflect.TypeFor[*time.Location]() && (met2(v.Type().Elem()) || refersTwice(v.Elem(), met))
	case reflect.Map:
		if v.IsNil() {
			return false
		}
		twice := met2(v.Type())
		for _, elem := range v.Seq2() {
			twice = refersTwice(elem, met) || twice
		}
		return twice
	case reflect.Slice:
		twice := v.Len() > 0 && met2(v.Type().Elem())
		for i := range v.Len() {
			twice = refersTwice(v.Index(i), met) || twice
		}
		return twice
	case reflect.Array:
		return v.Len() > 0 && (refersTwice(v.Index(0), met) || refersTwice(v.Index(v.Len()-1), met))
	case reflect.Struct:
		twice := false
		for _, f := range v.Fields() {
			twice = refersTwice(f, met) || twice
		}
		return twice
	}
	return false
}

// TestAheadTrees changes a state at random while it goes ahead. The receiver has the same in the end, or it is said that something is
// referred to twice.
func TestAheadTrees(t *testing.T) {
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 80
	}
	whole, ahead, shared := 0, 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 3))
		s, keys, shares := newForest(), []int{2, 20, 400}[r.IntN(3)], r.IntN(4) == 0
		for range r.IntN(5 * keys) {
			s.change(r, keys, false)
		}
		a := Track(s, true)
		if n := len(a.goMaps); n != 6 {
			t.Fatalf("%d maps go ahead, want 6", n)
		}
		var got *forest
		err := error(nil)
		for i := 0; i < 2+r.IntN(30) && err == nil; i++ {
			for range r.IntN(1 + keys/4) {
				s.change(r, keys, shares)
			}
			if _, err = a.Read(time.Unix(1, 0)); err != nil {
				break
			}
			if got == nil {
				base, end := a.Base()
				got = sent(t, base.(*forest))
				end()
			} else if r.IntN(2) == 0 {
				got, err = mergedTrees(t, a, got, false)
			}
		}
		if err != nil && !errors.Is(err, errShared) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err != nil {
			whole++
			continue
		}
		twice := refersTwice(reflect.ValueOf(s), map[claimed]map[uintptr]bool{})
		got, err = mergedTrees(t, a, got, true)
		switch {
		case twice != errors.Is(err, errShared):
			t.Fatalf("seed %d: something is referred to twice: %v; the error is %v", seed, twice, err)
		case twice:
			shared++
		case !reflect.DeepEqual(got, s):
			t.Fatalf("seed %d: the state is %v, the receiver has %v", seed, s, got)
		default:
			ahead++
		}
		a.End()
	}
	if t.Logf("%d have gone ahead, %d share something, %d perhaps", ahead, shared, whole); ahead < int(seeds)/2 || shared == 0 || whole == 0 {
		t.Error("one of them is rare")
	}
}

func mergedTrees(t *testing.T, a *Ahead, got *forest, all bool) (*forest, error) {
	t.Helper()
	changed, gone, _, _, err := a.Changes(all)
	if err != nil {
		return nil, err
	}
	got = Merge(got, sent(t, changed.(*forest))).(*forest)
	Without(got, sent(t, gone.(*forest)))
	return got, nil
}
