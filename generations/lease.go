package generations

import (
	"sync/atomic"
	"unsafe"
)

// A Lease is a caller's hold on a generation for one call, or for a batch of calls. It is small and lives on the caller's stack.
// It may be passed to another goroutine but must not be copied, because it must be released exactly once.
type Lease[T any] struct {
	hold
}

// hold is what a lease of any type consists of. Its methods are those of a Lease. It has two words, and not three: the compiler keeps
// a struct of up to four in registers, and callers add two of their own.
type hold struct {
	word *uint64        // that was claimed; of a lease that is counted, the spare one of the shard that counts it
	more *atomic.Uint32 // one of the generation's: if it isn't 0, there is more to do at the end than to clear the word
}

// count counts the lease, and reports whether it is one then.
func (h *hold) count(c *counted) (ok bool) {
	s := c.shard()
	h.word, h.more = &s.spare, &c.more[ofCounted]
	ok = s.leases.Add(1) > 0
	if raced {
		c.order.lent()
	}
	return ok
}

// shard returns the one that counts the lease.
func (h *hold) shard() *shard { return (*shard)(unsafe.Pointer(h.word)) }

// counted returns the beginning of the generation.
func (h *hold) counted() *counted {
	more := unsafe.Pointer(h.more)
	return (*counted)(unsafe.Add(more, -int(uintptr(more)&unsafe.Sizeof(*h.more))-int(unsafe.Offsetof(counted{}.more))))
}

// isCounted reports whether the lease is counted.
func (h *hold) isCounted() bool { return uintptr(unsafe.Pointer(h.more))&unsafe.Sizeof(*h.more) != 0 }

// Value returns the generation's value. It is usable until Release.
func (l *Lease[T]) Value() T { return l.Generation().value }

// Generation returns the generation that the lease is on.
func (l *Lease[T]) Generation() *Generation[T] {
	return (*Generation[T])(unsafe.Pointer(l.counted())) // its first field
}

// Release ends the lease. It doesn't block. It panics if the lease was released before or never acquired. If a copy was released, it may
// end another caller's lease; it panics only if that was counted, as under the race detector, and the count becomes negative.
//
// The compiler inlines it as long as it isn't larger, which takes a fifth off a whole call: TestInlined.
func (h *hold) Release() {
	if claims {
		*h.word = 0 // visible in order, see claims
		if h.more.Load() != 0 {
			h.end()
		}
	} else {
		if raced {
			h.shard().leases.Load() // panics without a lease
			h.counted().order.release()
		}
		if (*shard)(unsafe.Pointer(h.word)).leases.Add(-1) < 0 { // the compiler makes more of h.shard()
			h.left()
		}
	}
	h.word = nil
}

// end is what Release does once the word is clear, if the lease is counted or a drain waits.
//
//go:noinline
func (h hold) end() { // by value: with a pointer the lease would have to lie in memory
	switch {
	case !h.isCounted():
		h.more.Add(0) // so that the drain sees the clear word when it wakes
		h.counted().drain.signal()
	case h.shard().leases.Add(-1) < 0:
		h.left()
	}
}

// left is called when a subtraction has made a shard's count negative: the shard is barred, and perhaps empty now. If it isn't
// because another one has come, that one leaves in its turn.
//
//go:noinline
func (h hold) left() {
	s := h.shard()
	n := s.leases.Load()
	if heldBy(n) < 0 {
		s.leases.Add(1)
		panic("generations: a lease was released twice")
	}
	if c := h.counted(); n == barred && c.more[ofWord].Load() != 0 {
		c.drain.signal()
	}
}

// Forgo takes back what a [Slot.Try] has claimed or counted that came too late.
//
//go:noinline
func (h hold) Forgo() { // by value, too
	if h.word != nil {
		h.Release()
	}
}
