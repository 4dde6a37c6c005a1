//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"errors"
	"math/big"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestAheadShared has large values that all refer to the same, or too much for a moment: they aren't copied.
func TestAheadShared(t *testing.T) {
	type large struct{ m map[int][]byte }
	for _, test := range []struct {
		size int
		each bool
		want error
	}{
		{mostOwned - objectBytes, false, errShared}, {mostOwned, true, errLarge},
	} {
		s, one := &large{map[int][]byte{}}, make([]byte, test.size)
		for i := range 1000 {
			if s.m[i] = one; test.each && i < 2 {
				s.m[i] = make([]byte, test.size)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := Track(s, true)
		_, err := a.Read(time.Time{})
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, test.want) || taken > 8<<20 {
			t.Errorf("%v, and it took %d MB", err, taken>>20)
		}
	}
}

// TestAheadNestedMap has a map in another one that is a field as well.
func TestAheadNestedMap(t *testing.T) {
	type state struct {
		m map[string]int
		n map[string]map[string]int
	}
	s := &state{map[string]int{"a": 1}, map[string]map[string]int{"a": {"b": 2}}}
	a := Track(s, true)
	if _, err := a.Read(time.Time{}); err != nil || len(a.goMaps) != 2 {
		t.Fatalf("%d maps go ahead, %v", len(a.goMaps), err)
	}
	s.n["a"] = s.m
	if _, _, _, _, err := a.Changes(true); !errors.Is(err, errShared) {
		t.Error(err)
	}
}

// TestAheadSharedWithin has two entries whose values refer to the same, at any depth.
func TestAheadSharedWithin(t *testing.T) {
	for name, share := range map[string]func(a, b *treeEntry){
		"pointer":        func(a, b *treeEntry) { a.child = b.child },
		"slice":          func(a, b *treeEntry) { a.tags = b.tags },
		"map":            func(a, b *treeEntry) { a.limits = b.limits },
		"slice, deeper":  func(a, b *treeEntry) { a.child.numbers = b.child.numbers },
		"in a big.Int":   func(a, b *treeEntry) { a.sum = b.sum },
		"part of arrays": func(a, b *treeEntry) { a.tags = b.tags[1:] }, // two things, as in a stream
	} {
		s := newForest()
		for _, key := range []string{"a", "b"} {
			s.entries[key] = &treeEntry{
				tags: []string{"x", "y"}, child: &treeChild{numbers: []uint16{1}}, limits: map[string]int8{"x": 1}, sum: *big.NewInt(7),
			}
		}
		a := Track(s, true)
		if _, err := a.Read(time.Time{}); err != nil {
			t.Fatal(err)
		}
		share(s.entries["a"], s.entries["b"])
		if _, _, _, _, err := a.Changes(true); errors.Is(err, errShared) != (name != "part of arrays") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAheadLocks sends values with locks that are held. What is behind them has changed; the locks are free.
func TestAheadLocks(t *testing.T) {
	type guarded struct {
		mu sync.RWMutex
		n  int
	}
	type state struct{ m map[string]*guarded }
	s := &state{map[string]*guarded{"a": {n: 1}, "b": {n: 2}}}
	a := Track(s, true)
	if _, err := a.Read(time.Time{}); err != nil {
		t.Fatal(err)
	}
	base, _ := a.Base()
	got := sent(t, base.(*state))
	s.m["a"].mu.Lock()
	s.m["b"].mu.RLock()
	s.m["b"].n++
	changed, _, n, _, err := a.Changes(true)
	if err != nil || n != 1 {
		t.Errorf("%d entries have changed, %v", n, err)
	}
	got = Merge(got, sent(t, changed.(*state))).(*state)
	for key, want := range map[string]int{"a": 1, "b": 3} {
		if g := got.m[key]; g.n != want || !g.mu.TryLock() {
			t.Errorf("%s has %d, want %d, or is locked", key, g.n, want)
		}
	}
}
