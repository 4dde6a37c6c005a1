//go:build race

package generations

import "sync/atomic"

const raced = true

// order tells the race detector what the counters order: whatever a caller has done with a lease comes before what is done
// after a drain. The detector follows atomic operations only in the memory of the Go runtime, and counters may lie elsewhere.
type order struct{ released atomic.Uint32 }

// release is called before a shard's count becomes smaller.
func (o *order) release() { o.released.Add(1) }

// drained is called once every shard has read zero.
func (o *order) drained() { o.released.Load() }
