package generations

import (
	"fmt"
	"time"
)

// Gate makes the callers of one slot wait, while it is shut, for what is current once it opens.
type Gate[T any] struct {
	slot     *Slot[T]
	previous *Generation[T]
	waiters  *waiters
}

// Gate shuts the slot: from now on callers who arrive wait, and those who hold the generation keep it until they release
// it. It gives the gate to whoever will open it. Callers wait no longer than the slot's limit and their contexts allow, so
// a gate that is never opened fails calls but hangs none. A caller who holds a lease and acquires another one of the same
// slot waits at the gate for a drain that waits for it: only a limit ends that, so give Drain a deadline below the slot's.
//
// The generation that was current, [Gate.Previous], is out of the slot and may be drained; the slot may also be empty. On
// error, ErrGated when the slot has a shut gate already, the slot is as it was.
func (s *Slot[T]) Gate() (*Gate[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		return nil, fmt.Errorf("gate slot: %w", ErrGated)
	}
	gate := &Gate[T]{slot: s, waiters: newWaiters()}
	gate.previous = s.current.Load()
	s.gate = gate
	s.current.Store(&Generation[T]{gate: gate})
	gate.previous.exit()
	return gate, nil
}

// Previous gives the generation that was current when the gate shut, nil when there was none.
func (g *Gate[T]) Previous() *Generation[T] { return g.previous }

// Open makes next current and lets the waiting callers go on with it. Next is a new generation, or the previous one when
// the move failed; nil leaves the slot empty, and the callers get ErrEmpty.
//
// On error the gate stays shut: ErrLive when next is in a slot. ErrGateOpen means that it
// was opened before, and nothing changed.
func (g *Gate[T]) Open(next *Generation[T]) error {
	s := g.slot
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != g {
		return fmt.Errorf("open gate: %w", ErrGateOpen)
	}
	if err := next.enter(); err != nil {
		return fmt.Errorf("open gate: %w", err)
	}
	s.current.Store(next)
	s.gate = nil
	g.waiters.release() // after the store: who is let go must find the generation and not the gate
	return nil
}

// Stats tells of the callers who have waited. It may be asked at any time; once Waiting is 0 and the gate open, it is final.
func (g *Gate[T]) Stats() GateStats { return g.waiters.stats() }

// GateStats tells how long callers waited at a gate.
type GateStats struct {
	Shut     time.Duration // how long the gate was shut, or has been so far
	Waiting  int64         // callers who wait now
	Passed   int64         // callers who waited until it opened
	TimedOut int64         // callers who waited until the slot's limit
	Canceled int64         // callers whose context ended first

	// How long those callers waited, of whom nobody waits any more. P50 and P99 are rounded up by at most an eighth.
	Max, P50, P99 time.Duration
}
