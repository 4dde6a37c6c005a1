package keep

import (
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestTrack takes what has changed again and again while goroutines change the Map, with snapshots among them. Applied one after
// the other, the results are what the Map is in the end; what was before it was tracked isn't among them.
func TestTrack(t *testing.T) {
	var m Map[int, int]
	m.Set(-1, 1)
	take, end := m.ForHandover().Track()
	if again, _ := m.ForHandover().Track(); again != nil {
		t.Fatal("it is tracked twice")
	}
	got := map[int]int{}
	apply := func() {
		changed, gone, n := take()
		c, g := read[int, int](t, changed), read[int, int](t, gone)
		if n != len(c)+len(g) {
			t.Errorf("%d and %d, and says %d", len(c), len(g), n)
		}
		maps.Copy(got, c)
		for key := range g {
			if _, both := c[key]; both {
				t.Errorf("%d is both changed and gone", key)
			}
			delete(got, key)
		}
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; !stop.Load(); i += 7 {
				m.Set(i%400, i)
				m.Update((i+1)%400, func(int, bool) int { return i })
				m.Delete((i + 2) % 400)
			}
		})
	}
	for i := range 200 {
		if i%10 == 0 {
			_, end := m.ForHost().Snapshot()
			apply()
			end()
		}
		apply()
	}
	stop.Store(true)
	writers.Wait()
	apply()
	want := maps.Collect(m.All())
	delete(want, -1)
	if !maps.Equal(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	key := -1
	m.ForHandover().Delete(unsafe.Pointer(&key))
	if _, ok := m.Get(-1); ok {
		t.Error("an entry isn't deleted")
	}
	if apply(); m.Len() != len(got) {
		t.Errorf("%d entries, want %d", m.Len(), len(got))
	}
	end()
	m.Set(1, 1)
	if take, end = m.ForHandover().Track(); take == nil {
		t.Fatal("it can't be tracked again")
	}
	defer end()
	if _, _, n := take(); n != 0 {
		t.Errorf("%d entries have changed before it was tracked", n)
	}
}
