package generations

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Each power of two of nanoseconds is split into 2³ buckets, so a bucket's upper bound exceeds the durations in it by at
// most an eighth. The last bucket ends at 2⁴² ns, more than an hour; longer waits count in it too.
const (
	splitBits = 3
	maxPower  = 42
	buckets   = (maxPower - splitBits + 1) << splitBits
)

// histogram counts durations from any number of goroutines without a lock: all callers leave a gate at the same moment.
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

// quantile returns the upper bound of the bucket that holds the q-quantile of all durations, or 0 if there are none.
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

// WaitCount says how many callers waited for less than UpTo, and for at least half of it.
type WaitCount struct {
	UpTo  time.Duration `json:"up_to"` // a power of two, in nanoseconds
	Calls int64         `json:"calls"`
}

// byPower returns the counts by powers of two, the shortest first, without those that are zero.
func (h *histogram) byPower() (counts []WaitCount) {
	for i := range h.counts {
		n := int64(h.counts[i].Load())
		if n == 0 {
			continue
		}
		upTo := time.Duration(1) << bits.Len64(uint64(upperBound(i)))
		if last := len(counts) - 1; last >= 0 && counts[last].UpTo == upTo {
			counts[last].Calls += n
		} else {
			counts = append(counts, WaitCount{upTo, n})
		}
	}
	return counts
}

// bucketOf returns the bucket of d: one per nanosecond up to 2³, then eight per power of two.
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
