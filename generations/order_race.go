//go:build race

package generations

import "sync/atomic"

const raced = true

// order tells the race detector what the counters order: whatever a caller has done with a lease comes before what is done
// after a drain. The detector follows atomic operations only in the memory of the Go runtime, and counters may lie elsewhere.
//
// Likewise, whatever is done before a generation enters a slot comes before what is done with a lease on it, also for an Acquire that
// slept through the absence of a generation which is put back.
type order struct{ released, enters atomic.Uint32 }

// release is called before a shard's count becomes smaller.
func (o *order) release() { o.released.Add(1) }

// drained is called once every shard has read zero.
func (o *order) drained() { o.released.Load() }

// entered is called before the shards are barred no more.
func (o *order) entered() { o.enters.Add(1) }

// lent is called once a lease is counted.
func (o *order) lent() { o.enters.Load() }
