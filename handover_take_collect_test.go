package sohost

import (
	"context"
	"runtime/debug"
	"testing"
)

// TestHandoverCollects hands over with several settings of GOGC. A taker decodes with less garbage collection, and no Start sees that.
func TestHandoverCollects(t *testing.T) {
	gogc := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	defer debug.SetGCPercent(gogc())
	for _, percent := range []int{100, 1000, -1} {
		debug.SetGCPercent(percent)
		end := collectLess()
		if got, want := gogc(), max(percent, arrivingGC); percent >= 0 && got != want || percent < 0 && got != percent {
			t.Errorf("GOGC is %d while states arrive, %d before", got, percent)
		}
		end()
		end()
		w := newWorld(t)
		r, lock := w.giver("a1")
		seen := 0
		w.fail("a1 Start", func(context.Context) error { seen = gogc(); return nil })
		if _, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{}); err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		if seen != percent || gogc() != percent {
			t.Errorf("a Start sees GOGC %d, and it is %d afterwards; want %d", seen, gogc(), percent)
		}
	}
}
