package keep

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// read returns what the host reads of a snapshot.
func read[K comparable, V any](t *testing.T, snapshot unsafe.Pointer) map[K]V {
	t.Helper()
	var m Map[K, V]
	m.table.Store((*table[K, V])(snapshot))
	entries := map[K]V{}
	h := m.ForHost()
	h.Range(func(key, value unsafe.Pointer) bool {
		if _, twice := entries[*(*K)(key)]; twice {
			t.Errorf("%v is there twice", *(*K)(key))
		}
		entries[*(*K)(key)] = *(*V)(value)
		return true
	})
	if n := h.Len(); n != len(entries) {
		t.Errorf("%d entries, and says %d", len(entries), n)
	}
	return entries
}

// TestMapModel makes random changes of a Map and of a Go map, with snapshots among them: each of them is read at random later
// times and is always what the Go map was when it began.
func TestMapModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var m Map[int, string]
		model := map[int]string{}
		check := func() {
			t.Helper()
			if got := maps.Collect(m.All()); !maps.Equal(got, model) || m.Len() != len(model) {
				t.Fatalf("seed %d: %d entries, Len %d, want %d", seed, len(got), m.Len(), len(model))
			}
		}
		check()
		var snapshot unsafe.Pointer
		var end func()
		var then map[int]string
		for i := range 20_000 {
			key, value := r.IntN(500), fmt.Sprint(i)
			switch r.IntN(10) {
			case 0, 1, 2:
				m.Set(key, value)
				model[key] = value
			case 3, 4:
				m.Delete(key)
				delete(model, key)
			case 5, 6:
				m.Update(key, func(old string, ok bool) string {
					if want, has := model[key]; old != want || ok != has {
						t.Errorf("update gets %q, %v; want %q, %v", old, ok, want, has)
					}
					return old + "+"
				})
				model[key] += "+"
			case 7, 8:
				got, ok := m.Get(key)
				if want, has := model[key]; got != want || ok != has {
					t.Fatalf("seed %d: get gives %q, %v; want %q, %v", seed, got, ok, want, has)
				}
			default:
				switch {
				case r.IntN(100) > 0 || m.table.Load() == nil:
				case snapshot == nil:
					snapshot, end = m.ForHost().Snapshot()
					then = maps.Clone(model)
					if again, _ := m.ForHost().Snapshot(); again != nil {
						t.Fatal("two snapshots at once")
					}
				default:
					for range r.IntN(3) { // any number of times, also none
						if got := read[int, string](t, snapshot); !maps.Equal(got, then) {
							t.Fatalf("seed %d: the snapshot has %d entries, want %d", seed, len(got), len(then))
						}
					}
					check()
					end()
					snapshot = nil
					check()
				}
			}
		}
		check()
	}
}

// TestSnapshot takes snapshots while many goroutines change the Map. Each writer counts its own entries up in a fixed order,
// so that of the states there have been, a snapshot can only show those in which the counts are in that order. And each
// writer copies what its neighbour has counted, which a snapshot mustn't show before the neighbour's own count.
func TestSnapshot(t *testing.T) {
	const writers, keys = 4, 97
	type key struct{ writer, n int }
	var m Map[key, int]
	for w := range writers {
		for k := range keys {
			m.Set(key{w, k}, 0)
		}
		m.Set(key{w, -1}, 0)
	}
	var stop atomic.Bool
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := 1; !stop.Load(); i++ {
				k := key{w, i % keys}
				switch i % 3 {
				case 0:
					m.Set(k, i)
				case 1:
					m.Update(k, func(int, bool) int { return i })
				default:
					m.Delete(k)
					m.Set(k, i)
				}
				seen, _ := m.Get(key{(w + 1) % writers, i % keys})
				m.Set(key{w, -1}, seen)
			}
		})
	}
	all.Go(func() { // readers see one of the values there have been
		last := 0
		for !stop.Load() {
			now, ok := m.Get(key{0, 1})
			if ok && now < last {
				t.Errorf("%d after %d", now, last)
			}
			last = max(last, now)
		}
	})
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for range rounds {
		snapshot, end := m.ForHost().Snapshot()
		got := read[key, int](t, snapshot)
		end()
		newest := make([]int, writers)
		for w := range writers {
			for k := range keys {
				newest[w] = max(newest[w], got[key{w, k}])
			}
		}
		for w := range writers {
			for k := range keys {
				// The newest number with this remainder that isn't above the newest of all; or it was deleted just then.
				want := newest[w] - (newest[w]-k%keys+keys)%keys
				if have, ok := got[key{w, k}]; ok && have != max(want, 0) || !ok && (want+keys)%3 != 2 {
					t.Fatalf("entry %d of writer %d is %d, %v; its newest is %d, so want %d", k, w, have, ok, newest[w], want)
				}
			}
			if seen := got[key{w, -1}]; seen > newest[(w+1)%writers] {
				t.Fatalf("writer %d has seen %d, and its neighbour has counted to %d only", w, seen, newest[(w+1)%writers])
			}
		}
	}
	stop.Store(true)
	all.Wait()
	if _, end := m.ForHost().Snapshot(); end == nil {
		t.Error("a snapshot hasn't ended")
	}
}

// TestMapLoop changes the map in a loop over it, and leaves the loop early.
func TestMapLoop(t *testing.T) {
	var m Map[int, int]
	for range m.All() {
		t.Error("an empty map has entries")
	}
	m.Delete(1)
	for i := range 1000 {
		m.Set(i, i)
	}
	seen := 0
	for k := range m.All() {
		m.Delete(k)
		if seen++; seen == 500 {
			break
		}
	}
	if m.Len() != 500 {
		t.Errorf("%d entries are left", m.Len())
	}
}

// TestMapNaN refuses a key that could never be found again.
func TestMapNaN(t *testing.T) {
	var m Map[float64, int]
	defer func() {
		if recover() == nil {
			t.Error("NaN is a key")
		}
		m.Set(1, 1) // the lock is free
	}()
	m.Set(math.NaN(), 1)
}

// TestTrackNaN deletes a key that no entry can have: that is no change.
func TestTrackNaN(t *testing.T) {
	var m Map[float64, int]
	m.Set(1, 1)
	take, end := m.ForHandover().Track()
	defer end()
	m.Delete(math.NaN())
	if _, _, n := take(); n != 0 {
		t.Errorf("%d changes", n)
	}
}

// TestUpdatePanics leaves the entry as it was.
func TestUpdatePanics(t *testing.T) {
	var m Map[string, int]
	m.Set("a", 1)
	func() {
		defer func() { recover() }()
		m.Update("a", func(int, bool) int { panic("no") })
	}()
	m.Update("a", func(n int, _ bool) int { return n + 1 })
	if n, _ := m.Get("a"); n != 2 {
		t.Errorf("a is %d", n)
	}
}
