package generations

// A Lease is a caller's hold on a generation for one call. It is small and lives on the caller's stack. It may be passed to
// another goroutine but must not be copied, because it must be released exactly once.
type Lease[T any] struct {
	generation *Generation[T]
	shard      *shard // the shard it was counted in, whichever core releases it
}

// Value returns the generation's value. It is usable until Release.
func (l *Lease[T]) Value() T { return l.generation.value }

// Generation returns the generation that the lease is on.
func (l *Lease[T]) Generation() *Generation[T] { return l.generation }

// Release ends the lease. It doesn't block. It panics if the lease was released before or never acquired. If a copy was
// released, it panics only if the count becomes negative.
func (l *Lease[T]) Release() {
	g, c := l.generation, l.shard
	if c == nil {
		panic("generations: Release of a lease that is not held")
	}
	l.generation, l.shard = nil, nil
	g.leave(c)
}

// leave subtracts one from a shard's count.
func (g *Generation[T]) leave(c *shard) {
	g.order.release()
	if n := c.leases.Add(-1); n <= 0 {
		g.emptied(n)
	}
}

// emptied is called when a shard's count has become n, which is zero or less.
func (g *Generation[T]) emptied(n int64) {
	if n < 0 {
		panic("generations: a lease was released twice")
	}
	if g.drain.waiting.Load() {
		g.drain.signal()
	}
}
