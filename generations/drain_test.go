package generations

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Drain ends when the last lease does, and not by looking again from time to time: the bubble's clock stands still for as
// long as any goroutine could go on without it.
func TestDrainWaitsForLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slot[int]
		g := NewGeneration(ID{}, 1)
		swap(t, &s, g, nil)
		leases := make([]Lease[int], 3)
		for i := range leases {
			leases[i] = acquire(t, &s, 1)
		}
		swap(t, &s, nil, g)
		done := make(chan error, 1)
		go func() { done <- g.Drain(t.Context()) }()
		start := time.Now()
		for i := range leases {
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("drained with %d leases held: %v", g.Leases(), err)
			default:
			}
			wantIs(t, g.Drain(t.Context()), ErrDraining)
			leases[i].Release()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("drained %v after the last release", waited)
		}
	})
}

func TestDrainEndsWithContext(t *testing.T) {
	var s Slot[int]
	g := NewGeneration(idOf("g"), 1)
	swap(t, &s, g, nil)
	leases := []Lease[int]{acquire(t, &s, 1), acquire(t, &s, 1)}
	swap(t, &s, nil, g)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the deploy was called off")
	cancel(reason)
	err := g.Drain(ctx)
	wantIs(t, err, ErrLeased)
	wantIs(t, err, reason)
	var held *DrainError
	if !errors.As(err, &held) || held.Leases != 2 || held.ID != g.ID() {
		t.Errorf("Drain = %v, want 2 leases held", err)
	}
	wantState(t, g, StateDraining)
	for i := range leases {
		leases[i].Release()
	}
	if err := g.Drain(ctx); err != nil {
		t.Errorf("nothing is held, yet Drain = %v", err)
	}
}

// The generation is put back while somebody waits for it to drain.
func TestDrainEndsWhenPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slot[int]
		g := NewGeneration(ID{}, 1)
		swap(t, &s, g, nil)
		lease := acquire(t, &s, 1)
		swap(t, &s, nil, g)
		done := make(chan error, 1)
		go func() { done <- g.Drain(t.Context()) }()
		synctest.Wait()
		swap(t, &s, g, nil)
		wantIs(t, <-done, ErrLive)
		lease.Release()
		wantState(t, g, StateLive)
		swap(t, &s, nil, g)
		if err := g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Release and Drain meet again and again at the last lease of a shard: a wake that gets lost hangs the test.
func TestDrainWakes(t *testing.T) { inForms(t, testDrainWakes) }

func testDrainWakes(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	var s Slot[int]
	for range rounds {
		g := NewGeneration(ID{}, 1)
		swap(t, &s, g, nil)
		leases := make([]Lease[int], 1+rand.IntN(4))
		for i := range leases {
			leases[i] = acquire(t, &s, 1)
		}
		swap(t, &s, nil, g)
		var wg sync.WaitGroup
		for i := range leases {
			wg.Go(leases[i].Release)
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := g.Leases(); n != 0 {
			t.Fatalf("drained with %d leases", n)
		}
		wg.Wait()
	}
}

// The last one to leave may be an Acquire that came late and has to take its count back. If that doesn't wake the drain
// nobody else will. Nor has any of them a lease when the drain is over.
func TestDrainWakesForLateCallers(t *testing.T) { inForms(t, testDrainWakesForLateCallers) }

func testDrainWakesForLateCallers(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	var s Slot[*probe]
	swap(t, &s, NewGeneration(ID{}, new(probe)), nil)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				lease, err := s.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if lease.Value().closed.Load() {
					t.Error("a lease on a value that was drained")
				}
				lease.Release()
			}
		})
	}
	for range rounds {
		old, err := s.Swap(NewGeneration(ID{}, new(probe)))
		if err != nil {
			t.Fatal(err)
		}
		retire(t, old)
	}
	stop.Store(true)
	wg.Wait()
}

// A generation is put back just as its drain ends. It must not count as drained while callers get it.
func TestDrainRacesPutBack(t *testing.T) { inForms(t, testDrainRacesPutBack) }

func testDrainRacesPutBack(t *testing.T) {
	var s Slot[int]
	g := NewGeneration(ID{}, 1)
	for range 5000 {
		swap(t, &s, g, nil)
		swap(t, &s, nil, g)
		done := make(chan error, 1)
		go func() { done <- g.Drain(t.Context()) }()
		runtime.Gosched()
		swap(t, &s, g, nil)
		if err := <-done; err != nil && !errors.Is(err, ErrLive) {
			t.Fatal(err)
		}
		if st := g.State(); st != StateLive {
			t.Fatalf("in a slot and %v", st)
		}
		swap(t, &s, nil, g)
	}
}
