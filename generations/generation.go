package generations

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// State is a stage in the life of a generation. A generation goes from each state to the next, and from draining or drained
// back to live when it is put into a slot again.
type State int32

const (
	StateNew      State = iota // not yet in a slot
	StateLive                  // in a slot: callers get leases on it
	StateDraining              // out of the slot; callers may still hold leases
	StateDrained               // no caller holds a lease, and none will unless it is put back
)

func (s State) String() string {
	switch s {
	case StateNew:
		return "new"
	case StateLive:
		return "live"
	case StateDraining:
		return "draining"
	case StateDrained:
		return "drained"
	}
	return "unknown"
}

// A Generation holds a value that callers use through a slot, and counts its leases. The zero Generation is not usable: see
// NewGeneration.
type Generation[T any] struct {
	counted // first, see Lease.Generation

	gate  *Gate[T] // set only in the placeholder for a shut gate
	id    ID
	value T

	mu       sync.Mutex // guards the fields below; taken after Slot.mu
	state    State
	entered  int  // how many times it was put into a slot
	barred   bool // its shards are
	draining bool // a Drain is under way

	_ [64]byte
}

// counted is what of a generation doesn't depend on the type of its value. Acquire and Release only read it, unless a drain waits,
// and hardly anyone writes it, so every core keeps its own copy.
type counted struct {
	_ [64]byte // with the padding at the end of Generation, keeps neighbouring allocations out of the cache lines

	more   [2]atomic.Uint32 // what Release asks, see hold; 8 bytes from an address that 8 divides
	shards Counters
	drain  drain
	order  order
}

// The indexes of counted.more.
const (
	ofWord    = iota // of leases that are words: 1 while a drain waits
	ofCounted        // of those that are counted: 1
)

const _ = -(unsafe.Offsetof(counted{}.more) % 8)

// NewGeneration returns a generation that holds value and belongs to the image id, or to none if id is zero.
func NewGeneration[T any](id ID, value T) *Generation[T] { return NewCounted(nil, id, value) }

// NewCounted is NewGeneration with counters of the caller's, which no other generation may have. If they are nil, the
// generation has its own.
func NewCounted[T any](counters Counters, id ID, value T) *Generation[T] {
	if counters == nil {
		counters = make(Counters, shardCount())
	}
	g := &Generation[T]{id: id, value: value}
	g.counted.init(counters)
	return g
}

func (c *counted) init(shards Counters) {
	c.shards = shards
	c.drain.wake = make(chan struct{}, 1)
	c.more[ofCounted].Store(1)
}

// ID returns the image that the generation belongs to.
func (g *Generation[T]) ID() ID { return g.id }

// Value returns the value, for the owner of the generation. Callers use [Lease.Value].
func (g *Generation[T]) Value() T { return g.value }

// State returns the current state.
func (g *Generation[T]) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Leases returns the number of leases held. The number is approximate while callers come and go, because the shards are
// read one after the other.
func (g *Generation[T]) Leases() int64 {
	var held int64
	for i := range g.shards {
		held += g.shards[i].held()
	}
	return max(held, 0)
}

// enter marks the generation live and lets callers have it. A slot calls it just before it makes the generation current, with Slot.mu held.
func (g *Generation[T]) enter() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == StateLive {
		return ErrLive
	}
	g.state = StateLive
	g.entered++
	g.order.entered()
	if g.barred {
		g.shards.unbar()
		g.barred = false
	}
	g.drain.signal() // a waiting Drain must return ErrLive
	expectFence()
	return nil
}

// exit marks the generation draining and bars it. A slot calls it just after it has made another one current, with Slot.mu held.
func (g *Generation[T]) exit() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = StateDraining
	g.shards.bar()
	g.barred = true
}
