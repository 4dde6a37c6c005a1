package generations

import (
	"context"
	"fmt"
	"time"
)

// A Gate makes the callers of one slot wait. They proceed when it opens, with whatever generation is current then.
type Gate[T any] struct {
	slot     *Slot[T]
	previous *Generation[T]
	waiters  *waiters
}

// Gate shuts the slot and returns the gate, for the caller to open. From now on callers that arrive wait, and callers that
// hold a lease keep it until they release it. They wait no longer than the slot's limit and their contexts allow, so a gate
// that is never opened makes calls fail but hangs none. A caller that holds a lease and acquires another one of the same
// slot waits at the gate, for a drain that waits for the caller: only a limit ends that, so give Drain a deadline shorter
// than the slot's limit.
//
// The generation that was current, [Gate.Previous], is out of the slot and may be drained; the slot may also have been
// empty. The error is ErrGated if the slot already has a shut gate; the slot is then unchanged.
func (s *Slot[T]) Gate() (*Gate[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		return nil, fmt.Errorf("gate slot: %w", ErrGated)
	}
	if s.waits == nil {
		s.waits = new(histogram)
	}
	gate := &Gate[T]{slot: s, waiters: newWaiters(s.waits)}
	gate.previous = s.current.Load()
	s.gate = gate
	s.current.Store(gate.placeholder())
	gate.previous.exit()
	return gate, nil
}

// placeholder returns what is in the slot while the gate is shut: a barred generation, so that Acquire needs to ask nothing else.
func (g *Gate[T]) placeholder() *Generation[T] {
	p := &Generation[T]{gate: g}
	p.init(make(Counters, 1))
	p.shards.bar()
	return p
}

// Waiting returns how many callers wait at the slot's gate. shut is unset, and they are none, if it is open.
func (s *Slot[T]) Waiting() (callers int64, shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		return 0, false
	}
	return s.gate.waiters.waiting.Load(), true
}

// Previous returns the generation that was current when the gate shut, or nil if there was none.
func (g *Gate[T]) Previous() *Generation[T] { return g.previous }

// Open makes next current and lets the waiting callers proceed with it. Next is a new generation, or the previous one if
// the move failed. If it is nil, the slot is empty and the callers get ErrEmpty.
//
// The error is ErrLive if next is in a slot, and the gate stays shut; or ErrGateOpen if the gate was opened before, and
// nothing changes.
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
	s.held.add(g.waiters.release()) // after the store: released callers must find the generation and not the gate
	return nil
}

// Held describes for how long a slot's gates were shut. A caller who arrived just when one shut has waited for as long.
type Held struct {
	Times   int64         `json:"times"` // how many gates there were
	Longest time.Duration `json:"longest"`
	Total   time.Duration `json:"total"`
}

func (h *Held) add(shut time.Duration) {
	h.Times++
	h.Longest = max(h.Longest, shut)
	h.Total += shut
}

// Held describes all gates of the slot that have opened again.
func (s *Slot[T]) Held() Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Waits counts the callers that have waited at any gate of the slot, by how long; nil if nobody has.
func (s *Slot[T]) Waits() []WaitCount {
	s.mu.Lock()
	all := s.waits
	s.mu.Unlock()
	if all == nil {
		return nil
	}
	return all.byPower()
}

// Stats describes the callers that waited so far. It may be called at any time. Once the gate is open and Waiting is 0, the
// result is final.
func (g *Gate[T]) Stats() GateStats { return g.waiters.stats() }

// AwaitGone blocks until no caller waits at the gate, so that Stats is final, or ctx ends. The gate must be open: the callers only
// need to run then.
func (g *Gate[T]) AwaitGone(ctx context.Context) { g.waiters.awaitIdle(ctx) }

// GateStats counts the callers that waited at a gate.
type GateStats struct {
	Shut     time.Duration // how long the gate was shut, or has been so far
	Waiting  int64         // callers that wait now
	Passed   int64         // callers that waited until it opened
	TimedOut int64         // callers that waited until the slot's limit
	Canceled int64         // callers whose context ended first

	// How long callers waited that no longer wait. P50 and P99 are rounded up by at most an eighth.
	Max, P50, P99 time.Duration
}
