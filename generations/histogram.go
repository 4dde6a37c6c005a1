package generations

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Each power of two of nanoseconds is split into 2³ buckets, so that a bucket's upper bound is at most an eighth above
// what it holds. The last ends at 2⁴² ns, more than an hour; longer waits count in it.
const (
	splitBits = 3
	maxPower  = 42
	buckets   = (maxPower - splitBits + 1) << splitBits
)

// histogram counts durations from any number of goroutines without a lock: all who waited at a gate come at once.
type histogram struct {
	counts  [buckets]atomic.Uint32
	longest atomic.Int64
}

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)].Add(1)
	for {
		old := h.longest.Load()
		if int64(d) <= old || h.longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

func (h *histogram) max() time.Duration { return time.Duration(h.longest.Load()) }

// quantile gives the upper bound of the bucket in which the q-th part of all durations is reached, 0 without any.
func (h *histogram) quantile(q float64) time.Duration {
	var counts [buckets]uint32
	var total uint64
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
		total += uint64(counts[i])
	}
	if total == 0 {
		return 0
	}
	rank := max(uint64(q*float64(total)+0.5), 1)
	var seen uint64
	for i, c := range counts {
		if seen += uint64(c); seen >= rank {
			return min(upperBound(i), h.max())
		}
	}
	return h.max()
}

// bucketOf numbers the buckets: one a nanosecond up to 2³, then eight for each power of two.
func bucketOf(d time.Duration) int {
	n := uint64(d)
	shift := max(bits.Len64(n)-1-splitBits, 0)
	return min(shift<<splitBits+int(n>>shift), buckets-1)
}

func upperBound(bucket int) time.Duration {
	shift := max(bucket>>splitBits-1, 0)
	mantissa := bucket - shift<<splitBits
	return time.Duration((mantissa+1)<<shift - 1)
}
