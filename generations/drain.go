package generations

import "context"

// drain wakes the goroutine that waits for a generation's leases when a lease ends.
type drain struct {
	wake chan struct{} // capacity 1: a second signal would add nothing to one that is still pending
}

func (d *drain) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Drain waits until no caller holds a lease on the generation, and marks it drained. It wakes when leases end; it doesn't poll. If ctx ends first, the error is a *DrainError that reports the leases still held and wraps the cause; the
// generation stays draining, and Drain may be called again. The error is ErrLive if the generation is in a slot or is put
// into one meanwhile, and ErrDraining while another Drain of it runs. A generation that was never in a slot drains at once.
//
// Invariant: once the generation has left its slot, a count or a word that has shown no lease after the fence has none and gets none. Its
// shard is barred (see Slot); a late Acquire sets it for a moment and takes that back. So Drain can look at one after the other, and at
// each only until it shows none once.
//
// No wake-up is lost: Drain announces that it waits before it reads a shard, and Release takes its lease away before it asks whether
// anyone waits. Whichever comes first in the order of the atomic operations, or on which side of the fence a word is cleared, either
// Drain sees none or Release signals. TestHammer and TestDrainWakes race the two.
func (g *Generation[T]) Drain(ctx context.Context) error {
	entered, err := g.beginDrain()
	if err != nil {
		return err
	}
	g.more[ofWord].Store(1)
	fence()
	err = g.awaitShards(ctx, entered)
	g.more[ofWord].Store(0)
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
		for g.shards[i].held() != 0 {
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
	g.order.drained()
	return nil
}

func (g *Generation[T]) enteredSince(entered int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.entered != entered
}

// endDrain marks the generation drained, unless it was put into a slot while its shards were read.
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
