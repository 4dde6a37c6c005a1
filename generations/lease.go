package generations

import "unsafe"

// A Lease is a caller's hold on a generation for one call, or for a batch of calls. It is small and lives on the caller's stack.
// It may be passed to another goroutine but must not be copied, because it must be released exactly once.
type Lease[T any] struct {
	hold
}

// hold is what a lease of any type consists of. Its methods are those of a Lease.
type hold struct {
	shard   *shard   // the shard it was counted in, whichever core releases it
	counted *counted // the beginning of the generation
}

// Value returns the generation's value. It is usable until Release.
func (l *Lease[T]) Value() T { return l.Generation().value }

// Generation returns the generation that the lease is on.
func (l *Lease[T]) Generation() *Generation[T] {
	return (*Generation[T])(unsafe.Pointer(l.counted)) // counted is its first field
}

// Release ends the lease. It doesn't block. It panics if the lease was released before or never acquired. If a copy was
// released, it panics only if the count becomes negative.
//
// The compiler inlines it as long as it isn't larger, which takes a fifth off a whole call: TestInlined.
func (h *hold) Release() {
	if raced {
		h.counted.order.release()
	}
	if h.shard.leases.Add(-1) < 0 {
		left(*h)
	}
	h.shard = nil
}

// left is called when a subtraction has made a shard's count negative: the shard is barred, and perhaps empty now. If it isn't
// because another one has come, that one leaves in its turn.
//
//go:noinline
func left(h hold) {
	n := h.shard.leases.Load()
	if heldBy(n) < 0 {
		h.shard.leases.Add(1)
		panic("generations: a lease was released twice")
	}
	if n == barred && h.counted.drain.waiting.Load() {
		h.counted.drain.signal()
	}
}

// Forgo takes back what a [Slot.Try] has counted that came too late.
//
//go:noinline
func (h hold) Forgo() { // by value: with a pointer the lease would have to lie in memory
	if h.shard != nil {
		h.Release()
	}
}
