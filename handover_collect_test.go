package sohost

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/fault"
)

func gogc() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

// TestHandoverCollects hands over with several settings of GOGC. Less garbage is collected while states move, until callers go on, and no
// Start sees that.
func TestHandoverCollects(t *testing.T) {
	defer debug.SetGCPercent(gogc())
	for _, percent := range []int{100, 1000, -1} {
		debug.SetGCPercent(percent)
		want := max(percent, movingGC)
		if percent < 0 {
			want = percent
		}
		collector.moving()
		collector.moving()
		collector.end()
		if got := gogc(); got != want {
			t.Errorf("GOGC is %d while states move, want %d", got, want)
		}
		collector.end()
		if got := gogc(); got != percent {
			t.Errorf("GOGC is %d afterwards, want %d", got, percent)
		}
		for _, name := range []string{"a1", "h1"} { // h1 has no Start
			w := newWorld(t)
			r, lock := w.giver(name)
			var mu sync.Mutex // guards seen
			start, seen := 0, map[string]int{}
			w.fail("a1 Start", func(context.Context) error { start = gogc(); return nil })
			restore := fault.Set(func(kind, what string) (fault.Action, time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				if kind == "send" {
					seen[what] = gogc()
				}
				return fault.None, 0
			})
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			taker.tasksSettle()
			restore()
			eventually(t, "GOGC is set back after a collection", func() bool { runtime.GC(); return gogc() == percent })
			mu.Lock()
			defer mu.Unlock()
			if name == "a1" && start != percent || name == "h1" && seen["serving"] != want || seen["states"] != want {
				t.Errorf("%s: a Start sees GOGC %d, messages are sent with %v; want %d and %d", name, start, seen, percent, want)
			}
		}
	}
}

// TestCollectorSet has GOGC set or read while less is collected.
func TestCollectorSet(t *testing.T) {
	defer debug.SetGCPercent(gogc())
	debug.SetGCPercent(100)
	collector.moving()
	debug.SetGCPercent(150) // as a plugin may
	if collector.end(); gogc() != 150 {
		t.Errorf("GOGC is %d, want 150", gogc())
	}
	collector.moving()
	if collector.asSet(); gogc() != 150 {
		t.Errorf("GOGC is %d for those who look at it, want 150", gogc())
	}
	debug.SetGCPercent(movingGC)
	if collector.end(); gogc() != movingGC {
		t.Errorf("GOGC is %d, but was set to %d", gogc(), movingGC)
	}
}
