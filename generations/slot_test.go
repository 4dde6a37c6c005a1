package generations

import (
	"runtime"
	"strings"
	"testing"
)

func TestSlot(t *testing.T) { inForms(t, testSlot) }

func testSlot(t *testing.T) {
	var s Slot[string]
	_, err := s.Acquire(t.Context())
	wantIs(t, err, ErrEmpty)
	if s.Current() != nil {
		t.Error("an empty slot has a generation")
	}
	a, b := NewGeneration(idOf("a"), "a"), NewGeneration(idOf("b"), "b")
	swap(t, &s, a, nil)
	lease := acquire(t, &s, "a")
	if lease.Generation() != a || a.ID() != idOf("a") || a.Value() != "a" || s.Current() != a {
		t.Error("the lease is of another generation")
	}
	swap(t, &s, b, a)
	if lease.Value() != "a" || a.Leases() != 1 || b.Leases() != 0 {
		t.Errorf("after the swap: %s, %d and %d leases", lease.Value(), a.Leases(), b.Leases())
	}
	second := acquire(t, &s, "b")
	second.Release()
	lease.Release()
	if a.Leases() != 0 || b.Leases() != 0 {
		t.Errorf("after release: %d and %d leases", a.Leases(), b.Leases())
	}
	swap(t, &s, nil, b)
	_, err = s.Acquire(t.Context())
	wantIs(t, err, ErrEmpty)
}

func TestSwapRefuses(t *testing.T) {
	var s, other Slot[int]
	a, b := NewGeneration(ID{}, 1), NewGeneration(ID{}, 2)
	swap(t, &s, a, nil)
	swap(t, &other, b, nil)
	for _, next := range []*Generation[int]{a, b} {
		_, err := s.Swap(next)
		wantIs(t, err, ErrLive)
	}
	if s.Current() != a || other.Current() != b {
		t.Error("a refused swap changed a slot")
	}
}

func TestStates(t *testing.T) { inForms(t, testStates) }

func testStates(t *testing.T) {
	var s Slot[int]
	g := NewGeneration(ID{}, 1)
	wantState(t, g, StateNew)
	swap(t, &s, g, nil)
	wantState(t, g, StateLive)
	wantIs(t, g.Drain(t.Context()), ErrLive)
	swap(t, &s, nil, g)
	wantState(t, g, StateDraining)
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, g, StateDrained)

	swap(t, &s, g, nil) // a failed move puts it back
	wantState(t, g, StateLive)
	swap(t, &s, nil, g)
	wantState(t, g, StateDraining)
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, g, StateDrained)
}

func TestReleaseTwice(t *testing.T) { inForms(t, testReleaseTwice) }

func testReleaseTwice(t *testing.T) {
	var s Slot[int]
	swap(t, &s, NewGeneration(ID{}, 1), nil)
	first := acquire(t, &s, 1)
	counted := !claims || first.isCounted()
	first.Release()
	for name, misuse := range map[string]func(){
		"the same lease": func() { l := acquire(t, &s, 1); l.Release(); l.Release() },
		"a copy":         func() { l := acquire(t, &s, 1); c := l; l.Release(); c.Release() },
		"no lease":       func() { var l Lease[int]; l.Release() },
	} {
		if name == "a copy" && !counted {
			continue // nobody notices: the word is clear
		}
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("nobody noticed")
				}
			}()
			misuse()
		})
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) { inForms(t, testHotPathDoesNotAllocate) }

func testHotPathDoesNotAllocate(t *testing.T) {
	var s Slot[string]
	swap(t, &s, NewGeneration(ID{}, "a"), nil)
	ctx := t.Context()
	allocs := testing.AllocsPerRun(1000, func() {
		lease, err := s.Acquire(ctx)
		if err != nil || lease.Value() != "a" {
			t.Fail()
		}
		lease.Release()
	})
	if allocs != 0 {
		t.Errorf("%v allocations a call", allocs)
	}
}

// TestInlined finds the frame of Release in the stack of its panic: no function of its own is there if the compiler has inlined it.
func TestInlined(t *testing.T) {
	if raced {
		t.Skip("under the race detector Release does more, and nobody counts nanoseconds")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("Release of no lease doesn't panic")
		}
		pcs := make([]uintptr, 20)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); strings.HasSuffix(f.Function, ".Release") {
				if f.Func != nil {
					t.Errorf("%s isn't inlined: see what go build -gcflags=-m=2 says it costs, at most 80", f.Function)
				}
				return
			}
		}
		t.Error("no frame of Release")
	}()
	var l Lease[int]
	l.Release()
}

func TestShardCount(t *testing.T) {
	n := shardCount()
	if n < minShards || n > maxShards || n&(n-1) != 0 {
		t.Errorf("%d shards: the mask needs a power of two", n)
	}
}

func swap[T any](t *testing.T, s *Slot[T], next, wantOld *Generation[T]) {
	t.Helper()
	old, err := s.Swap(next)
	if err != nil || old != wantOld {
		t.Fatalf("Swap = %p, %v; want %p", old, err, wantOld)
	}
}

func acquire[T comparable](t *testing.T, s *Slot[T], want T) Lease[T] {
	t.Helper()
	lease, err := s.Acquire(t.Context())
	if err != nil || lease.Value() != want {
		t.Fatalf("Acquire: %v", err)
	}
	return lease
}

func wantState[T any](t *testing.T, g *Generation[T], want State) {
	t.Helper()
	if got := g.State(); got != want {
		t.Errorf("state %v, want %v", got, want)
	}
}
