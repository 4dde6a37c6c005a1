package generations

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// DefaultGateLimit is the default of SlotOptions.GateLimit.
const DefaultGateLimit = 10 * time.Second

// SlotOptions configures a slot. The zero value works.
type SlotOptions struct {
	// GateLimit is how long one caller waits at a shut gate, even if its context allows more. Default: DefaultGateLimit,
	// 10 seconds.
	GateLimit time.Duration
}

// A Slot is where callers find the current generation. The zero Slot is empty and ready to use; a Slot must not be copied.
//
// Invariant: a lease was taken on a generation that wasn't barred, and the shard that has the lease shows it until it is released.
//
// This is how leases are counted. The constant claims says what else they may be; what follows holds for that, too, from the drain's fence on.
//
// While a generation is in a slot its shards are zero or more. Swap and Gate make another one current first, and then bar each
// shard of the old one: they add barred, which makes it negative, whatever it counts. Acquire adds one to a shard of the
// generation that it has loaded, and sees by the sum whether the shard was barred. One atomic operation counts and asks, and Go's
// atomic operations have one order that all goroutines agree on, so for each shard there are two interleavings:
//
//	Acquire: load g                              Acquire: load g
//	Acquire: shard + 1: positive, a lease        Swap:    current = next
//	Swap:    current = next                      Swap:    shard + barred
//	Swap:    shard + barred                      Acquire: shard + 1: negative, so shard - 1 and start over
//	Drain:   shard reads barred + 1, waits       Drain:   shard reads barred or barred + 1, and barred in the end
//
// An Acquire between Swap's two steps gets a lease on the old generation, as if it had come before the swap, where it loaded the
// pointer. Who has seen the next generation never gets the old one afterwards, because the pointer comes first.
//
// A generation that is put back (after a failed move) is barred no more before it becomes current. An Acquire that slept
// through its absence finds it so, which is correct as long as the owner never puts back a generation whose value it has closed.
//
// TestModel runs through all interleavings of acquirers with swaps, gates, drains and generations that are put back, for both forms of
// leases. TestHammer races them, and closes every value after its drain.
type Slot[T any] struct {
	// current is nil while the slot is empty. While a gate is shut it points to a placeholder for the gate: callers that load
	// it wait there, and at all other times gates cost callers nothing.
	current atomic.Pointer[Generation[T]]
	limit   time.Duration // for one caller at a gate; 0 means DefaultGateLimit

	mu    sync.Mutex // guards stores to current, gate, held and waits; Generation.mu is taken while it is held
	gate  *Gate[T]   // shut, or nil
	held  Held
	waits *histogram // of the callers at all gates; nil until there is one

	_ [64]byte // fills two cache lines: a neighbour that is often written would slow down every Acquire
}

// NewSlot returns an empty slot.
func NewSlot[T any](o SlotOptions) *Slot[T] { return &Slot[T]{limit: o.GateLimit} }

// Acquire takes a lease on the current generation. It blocks only while the slot's gate is shut, until the gate opens, ctx
// ends or the slot's limit has passed; the error then wraps the cause of ctx's end or is a *GateTimeoutError. If the slot is
// empty, the error is ErrEmpty.
func (s *Slot[T]) Acquire(ctx context.Context) (Lease[T], error) {
	lease, ok := s.Try()
	if ok {
		return lease, nil
	}
	lease.Forgo()
	return s.acquireSlow(ctx)
}

// TryAcquire is Acquire without a wait. ok is unset if the slot is empty or its gate is shut, and it may be if what the slot serves
// was replaced at that very moment: whoever wants a lease then calls Acquire.
func (s *Slot[T]) TryAcquire() (lease Lease[T], ok bool) {
	if lease, ok = s.Try(); ok {
		return lease, true
	}
	lease.Forgo()
	if !claims {
		return Lease[T]{}, false
	}
	return s.TryCount()
}

// Try is TryAcquire for those who count nanoseconds: the compiler inlines it. If ok is unset, what it returns is no lease, but its
// method Forgo must be called, or the generation is never drained. TryCount may get a lease then nevertheless.
func (s *Slot[T]) Try() (lease Lease[T], ok bool) {
	if claims {
		lease.hold, ok = claim(unsafe.Pointer(&s.current))
	} else if g := s.current.Load(); g != nil {
		ok = lease.count(&g.counted)
	}
	return lease, ok
}

// TryCount is TryAcquire for those whom Try has given nothing. The lease is counted: perhaps there was no word left.
func (s *Slot[T]) TryCount() (lease Lease[T], ok bool) {
	if g := s.current.Load(); g != nil {
		if lease.count(&g.counted) {
			return lease, true
		}
		lease.Forgo()
	}
	return Lease[T]{}, false
}

// acquireSlow is Acquire when Try has given nothing: no word was left, the generation was barred under it, or there was none.
func (s *Slot[T]) acquireSlow(ctx context.Context) (Lease[T], error) {
	var w waiter
	defer w.done()
	for {
		if lease, ok := s.TryCount(); ok {
			return lease, nil
		}
		g := s.current.Load()
		if g == nil {
			return Lease[T]{}, ErrEmpty
		}
		if g.gate != nil {
			if err := w.wait(ctx, g.gate.waiters, s.gateLimit()); err != nil {
				return Lease[T]{}, err
			}
		}
	}
}

func (s *Slot[T]) gateLimit() time.Duration {
	if s.limit <= 0 {
		return DefaultGateLimit
	}
	return s.limit
}

// Current returns the generation that callers get now, or nil if the slot is empty. While a gate is shut, it returns the
// generation that was current before. It takes no lease, so the generation may be on its way out.
func (s *Slot[T]) Current() *Generation[T] {
	g := s.current.Load()
	if g != nil && g.gate != nil {
		return g.gate.previous
	}
	return g
}

// Swap makes next current, or empties the slot if next is nil, and returns the generation that was current before, or nil.
// From then on no caller gets a lease on the old one. Callers that have one keep it until they release it; see
// [Generation.Drain].
//
// The error is ErrGated while a gate is shut, and ErrLive if next is already in a slot; the slot is then unchanged.
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
