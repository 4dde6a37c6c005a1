package generations

import (
	"context"
	"sync/atomic"
)

// drain is how the one who waits for a generation's leases learns that a shard has become empty.
type drain struct {
	waiting atomic.Bool
	wake    chan struct{} // of capacity 1: a signal that nobody has taken yet says all that a second one would
}

func (d *drain) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Drain waits until no caller holds the generation, and makes it drained. It wakes when a shard becomes empty and doesn't
// poll. When ctx ends first the error is a *DrainError that tells how many leases are held and wraps the cause; the
// generation goes on draining, and Drain may be called again. In a slot, or put into one meanwhile, it gives ErrLive;
// while another Drain of it runs, ErrDraining. A generation that was never in a slot is drained
// at once.
//
// Invariant: after the generation has left its slot, a shard that has read zero once has no lease any more. No lease is
// handed out from then on (see Slot); an Acquire that comes late adds one for a moment and takes it back. So the shards can
// be looked at one after the other, and each only until it reads zero once.
//
// No wake is lost: Drain says that it waits before it reads a shard, and Release takes its lease off before it asks whether
// anyone waits. Whichever comes first in the order of the atomic operations, either Drain reads zero or Release signals.
// TestHammer and TestDrainWakes race the two.
func (g *Generation[T]) Drain(ctx context.Context) error {
	entered, err := g.beginDrain()
	if err != nil {
		return err
	}
	g.drain.waiting.Store(true)
	err = g.awaitShards(ctx, entered)
	g.drain.waiting.Store(false)
	return g.endDrain(entered, err)
}

func (g *Generation[T]) beginDrain() (entered int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state == StateLive:
		return 0, ErrLive
	case g.draining:
		return 0, ErrDraining
	}
	g.draining = true
	return g.entered, nil
}

func (g *Generation[T]) awaitShards(ctx context.Context, entered int) error {
	for i := range g.shards {
		for g.shards[i].leases.Load() != 0 {
			select {
			case <-g.drain.wake:
				if g.enteredSince(entered) {
					return ErrLive
				}
			case <-ctx.Done():
				return &DrainError{ID: g.id, Leases: g.Leases(), Err: context.Cause(ctx)}
			}
		}
	}
	return nil
}

func (g *Generation[T]) enteredSince(entered int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.entered != entered
}

// endDrain makes the generation drained, unless it was put into a slot while its shards were looked at.
func (g *Generation[T]) endDrain(entered int, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = false
	if err != nil {
		return err
	}
	if g.entered != entered {
		return ErrLive
	}
	g.state = StateDrained
	return nil
}
