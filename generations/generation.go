package generations

import "sync"

// State is how far a generation has come. It goes from each state to the next, and from draining or drained back to live
// when the generation is put into a slot again.
type State int32

const (
	StateNew      State = iota // not yet in a slot
	StateLive                  // in a slot: callers get it, or are to get it when the gate opens to it
	StateDraining              // out of the slot; callers may still hold it
	StateDrained               // no caller holds it, and none will unless it is put back
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

// Generation is one value that callers use through a slot, together with the count of those who do.
type Generation[T any] struct {
	_ [64]byte // keeps what is allocated before, and below after, out of the cache lines of the fields

	// What Acquire and Release read is hardly ever written, so that each core keeps its own copy of it.
	shards []shard
	gate   *Gate[T] // set only in the entry that stands for a shut gate
	id     ID
	drain  drain
	value  T

	mu       sync.Mutex // guards what follows; taken after Slot.mu
	state    State
	entered  int  // how many times it was put into a slot
	draining bool // a Drain is under way

	_ [64]byte
}

// NewGeneration makes a generation of the image id, or of none when it is zero, that holds value.
func NewGeneration[T any](id ID, value T) *Generation[T] {
	return &Generation[T]{
		shards: make([]shard, shardCount()),
		id:     id,
		value:  value,
		drain:  drain{wake: make(chan struct{}, 1)},
	}
}

// ID gives the image that the generation was made with.
func (g *Generation[T]) ID() ID { return g.id }

// Value gives the value for those who own the generation. A caller uses [Lease.Value].
func (g *Generation[T]) Value() T { return g.value }

// State gives the state at this moment.
func (g *Generation[T]) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Leases gives the number of leases held. While callers come and go it is approximate, since the shards are read one after
// the other.
func (g *Generation[T]) Leases() int64 {
	var held int64
	for i := range g.shards {
		held += g.shards[i].leases.Load()
	}
	return max(held, 0)
}

// enter marks the generation live, just before a slot makes it current.
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
	g.drain.signal() // a Drain that waits learns that it waits in vain
	return nil
}

// exit marks the generation as on its way out, just after a slot has made another one current.
func (g *Generation[T]) exit() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = StateDraining
}
