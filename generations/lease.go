package generations

// Lease is a caller's hold on a generation for one call. It is small and lives on the caller's stack. It may move to
// another goroutine, and must not be copied: it is released once.
type Lease[T any] struct {
	generation *Generation[T]
	shard      *shard // the one it was counted in, whichever core releases it
}

// Value gives the generation's value. It stays usable until Release.
func (l *Lease[T]) Value() T { return l.generation.value }

// Generation gives the generation that is held.
func (l *Lease[T]) Generation() *Generation[T] { return l.generation }

// Release ends the hold. It doesn't block. It panics when the lease was released before, or never acquired; of a lease
// that was copied and released twice it notices only what makes the count negative.
func (l *Lease[T]) Release() {
	g, c := l.generation, l.shard
	if c == nil {
		panic("generations: Release of a lease that is not held")
	}
	l.generation, l.shard = nil, nil
	g.leave(c)
}

// leave takes one off a shard's count.
func (g *Generation[T]) leave(c *shard) {
	if n := c.leases.Add(-1); n <= 0 {
		g.emptied(n)
	}
}

// emptied runs after a shard's count has come to n, zero or less.
func (g *Generation[T]) emptied(n int64) {
	if n < 0 {
		panic("generations: a lease was released twice")
	}
	if g.drain.waiting.Load() {
		g.drain.signal()
	}
}
