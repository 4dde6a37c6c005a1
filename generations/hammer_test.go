package generations

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probe is a value that knows when it must not be used.
type probe struct {
	stopped  atomic.Bool // drained at a gate, its state being moved: nobody may be inside, but it may be put back
	closed   atomic.Bool
	acquired atomic.Int64
	released atomic.Int64
}

// Callers race with swaps, gates, drains that are given up, and generations that are put back. Nobody who holds a lease
// ever sees a value that was drained, and every lease is accounted for.
func TestHammer(t *testing.T) { inForms(t, testHammer) }

func testHammer(t *testing.T) {
	moves := 6000
	if testing.Short() {
		moves = 1000
	}
	s := NewSlot[*probe](SlotOptions{GateLimit: time.Minute})
	all := []*Generation[*probe]{NewGeneration(ID{}, new(probe))}
	swap(t, s, all[0], nil)
	var stop atomic.Bool
	var calls, given atomic.Int64
	var callers sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		callers.Go(func() {
			for !stop.Load() {
				call(t, s, &calls, &given)
			}
		})
	}
	var retirers sync.WaitGroup
	for range moves {
		next := NewGeneration(ID{}, new(probe))
		var old *Generation[*probe]
		switch rand.IntN(3) {
		case 0: // stateless: swap, drain beside the calls
			old = s.Current()
			swap(t, s, next, old)
			all = append(all, next)
		case 1: // stateful: gate, drain, move, open
			old = gated(t, s, next)
			all = append(all, next)
		case 2: // a move that fails
			gated(t, s, nil)
			continue
		}
		retirers.Go(func() { retire(t, old) })
	}
	stop.Store(true)
	callers.Wait()
	retirers.Wait()
	var acquired int64
	for _, g := range all {
		p := g.Value()
		acquired += p.acquired.Load()
		if n := g.Leases(); n != 0 || p.acquired.Load() != p.released.Load() {
			t.Errorf("%d leases, %d acquired, %d released", n, p.acquired.Load(), p.released.Load())
		}
	}
	if acquired != calls.Load() {
		t.Errorf("%d calls, %d leases", calls.Load(), acquired)
	}
	t.Logf("%d calls, %d given up, %d generations", calls.Load(), given.Load(), len(all))
}

// call is one caller's call.
func call(t *testing.T, s *Slot[*probe], calls, given *atomic.Int64) {
	ctx := context.Background()
	if rand.IntN(50) == 0 { // an impatient one
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	lease, err := s.Acquire(ctx)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		given.Add(1)
		return
	}
	calls.Add(1)
	p := lease.Value()
	p.acquired.Add(1)
	for range rand.IntN(3) {
		if p.closed.Load() || p.stopped.Load() {
			t.Error("a lease holder sees a value that was drained")
		}
		runtime.Gosched()
	}
	if p.closed.Load() || p.stopped.Load() {
		t.Error("a lease holder sees a value that was drained")
	}
	p.released.Add(1)
	if rand.IntN(8) == 0 { // a lease may be released elsewhere
		done := make(chan struct{})
		go func() { lease.Release(); close(done) }()
		<-done
		return
	}
	lease.Release()
}

// gated moves from one generation to the next behind a gate, or back to the same one when next is nil. It gives the old one.
func gated(t *testing.T, s *Slot[*probe], next *Generation[*probe]) *Generation[*probe] {
	gate, err := s.Gate()
	if err != nil {
		t.Error(err)
		return s.Current()
	}
	old := gate.Previous()
	ctx, cancel := context.WithCancel(context.Background())
	if rand.IntN(4) == 0 {
		cancel() // the deadline is over at once, more often than not with leases held
	}
	err = old.Drain(ctx)
	cancel()
	drained := err == nil
	if !drained && !errors.Is(err, ErrLeased) {
		t.Error(err)
	}
	if drained {
		old.Value().stopped.Store(true)
		runtime.Gosched()
	}
	if next == nil {
		old.Value().stopped.Store(false)
		next = old
	}
	if err := gate.Open(next); err != nil {
		t.Error(err)
	}
	return old
}

// retire closes the value as the owner of a generation does.
func retire(t *testing.T, g *Generation[*probe]) {
	if err := g.Drain(context.Background()); err != nil {
		t.Error(err)
		return
	}
	if g.Value().closed.Swap(true) {
		t.Error("closed twice")
	}
}
