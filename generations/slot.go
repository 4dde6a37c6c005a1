package generations

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultGateLimit is for how long a caller waits at a gate unless SlotOptions says otherwise.
const DefaultGateLimit = 10 * time.Second

// SlotOptions adjusts a slot. The zero value works.
type SlotOptions struct {
	// GateLimit is for how long one caller waits at a shut gate, even when its context allows more. Default:
	// DefaultGateLimit, 10 seconds.
	GateLimit time.Duration
}

// Slot is where callers find the current generation. The zero Slot is empty and ready; a Slot must not be copied.
//
// Invariant: whoever holds a lease of a generation took it while the generation was current, and the shard that the lease
// counts in does not read zero before the lease is released.
//
// Acquire adds one to a shard of the generation it has loaded and then loads the current pointer again. Go's atomic
// operations have one order that all goroutines agree on, so there are two interleavings with a swap:
//
//	Acquire: load g                              Acquire: load g
//	Acquire: shard + 1                           Swap:    current = next
//	Acquire: load g again: still current         Acquire: shard + 1
//	Swap:    current = next                      Acquire: load again: not g, so shard - 1 and start over
//	Drain:   shard reads 1, waits                Drain:   shard reads 0 or 1, and 0 in the end
//
// In the first the addition comes before the swap and so before every look that Drain takes. In the second no lease is
// handed out. A generation that is put back (a move that failed) is current once more: an Acquire that slept through its
// absence finds the same pointer, which is right, as a generation that was retired is never put back.
//
// TestHammer races acquirers with swaps, gates and generations put back, and closes every generation after its drain.
type Slot[T any] struct {
	// current is nil while the slot is empty. While a gate is shut it points to an entry that stands for the gate: callers
	// who load it wait there, and the others pay nothing for there being gates.
	current atomic.Pointer[Generation[T]]
	limit   time.Duration // for one caller at a gate; 0 means DefaultGateLimit

	mu   sync.Mutex // guards every store to current, and gate
	gate *Gate[T]   // shut, or nil

	_ [96]byte // fills two cache lines: a neighbour that is written often would slow down every Acquire
}

// NewSlot makes an empty slot.
func NewSlot[T any](o SlotOptions) *Slot[T] { return &Slot[T]{limit: o.GateLimit} }

// Acquire takes a lease on the current generation. It doesn't block unless the slot's gate is shut: then it waits until the
// gate opens, ctx ends or the slot's limit has passed; the error wraps the cause of ctx's end or is a *GateTimeoutError. On
// an empty slot the error is ErrEmpty.
func (s *Slot[T]) Acquire(ctx context.Context) (Lease[T], error) {
	g := s.current.Load()
	if g != nil && g.gate == nil {
		c := g.shard()
		c.leases.Add(1)
		if s.current.Load() == g {
			return Lease[T]{generation: g, shard: c}, nil
		}
		g.leave(c)
	}
	return s.acquireSlow(ctx)
}

// acquireSlow goes on where the generation moved or there is none to be had at once.
func (s *Slot[T]) acquireSlow(ctx context.Context) (Lease[T], error) {
	var w waiter
	defer w.done()
	for {
		g := s.current.Load()
		if g == nil {
			return Lease[T]{}, ErrEmpty
		}
		if g.gate != nil {
			if err := w.wait(ctx, g.gate.waiters, s.gateLimit()); err != nil {
				return Lease[T]{}, err
			}
			continue
		}
		c := g.shard()
		c.leases.Add(1)
		if s.current.Load() == g {
			return Lease[T]{generation: g, shard: c}, nil
		}
		g.leave(c)
	}
}

func (s *Slot[T]) gateLimit() time.Duration {
	if s.limit <= 0 {
		return DefaultGateLimit
	}
	return s.limit
}

// Current gives the generation that callers get now, or for which they wait at a gate unless another replaces it; nil when
// the slot is empty. It takes no lease, so the generation may be on its way out.
func (s *Slot[T]) Current() *Generation[T] {
	g := s.current.Load()
	if g != nil && g.gate != nil {
		return g.gate.previous
	}
	return g
}

// Swap makes next current, or empties the slot when it is nil, and gives the generation that was current before, nil if
// none. From then on no caller gets the old one; those who have it keep it until they release it, see [Generation.Drain].
//
// The error is ErrGated while a gate is shut, ErrLive when next is in a slot already; the slot is then as it was.
func (s *Slot[T]) Swap(next *Generation[T]) (old *Generation[T], err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		return nil, fmt.Errorf("swap generation: %w", ErrGated)
	}
	if err := next.enter(); err != nil {
		return nil, fmt.Errorf("swap generation: %w", err)
	}
	old = s.current.Swap(next)
	old.exit()
	return old, nil
}
