package generations

import (
	"encoding/binary"
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// shard has some of a generation's leases. While the generation is barred, barred is added to the count.
//
// Its size is 128 bytes: a cache line on arm64, and on amd64 the pair of 64-byte lines that is fetched together.
type shard struct {
	spare  uint64       // first, see hold.shard; means nothing
	leases atomic.Int64 // those that are counted
	words  [14]uint64   // each is 1 while it is a lease, see claims; else 0
}

// held returns how many leases the shard has. It is negative if some were released twice.
func (s *shard) held() int64 {
	n := heldBy(s.leases.Load())
	for i := range s.words {
		n += int64(atomic.LoadUint64(&s.words[i]))
	}
	return n
}

const (
	shardsPerCore = 4   // so that two busy goroutines rarely share one
	minShards     = 16  // the same, on few cores
	maxShards     = 256 // 32 KiB per generation
)

// Counters have the leases of one generation. They lie in memory of the runtime's, or where the caller of CountersIn wants
// them: in a file that is mapped by several processes, they tell the others which generations have leases, even when this
// process is dead. Acquire and Release cost the same either way.
type Counters []shard

// barred is far from every count, so the sign of their sum says which of them there are.
const barred = math.MinInt64 / 2

// heldBy returns how many leases a shard counts that reads n. It is negative if some were released twice.
func heldBy(n int64) int64 {
	if n < barred/2 {
		return n - barred
	}
	return n
}

// bar keeps Acquire from taking leases, and unbar lets it again, as at first.
func (c Counters) bar() { c.add(barred) }

func (c Counters) unbar() { c.add(-barred) }

func (c Counters) add(n int64) {
	for i := range c {
		c[i].leases.Add(n)
	}
}

const shardSize = int(unsafe.Sizeof(shard{}))

var _ [128]byte = [shardSize]byte{} // as claim knows it

// CountersSize returns how many bytes of memory CountersIn takes. It depends on GOMAXPROCS, within 2 and 32 KiB.
func CountersSize() int { return shardCount() * shardSize }

// CountersIn returns counters that lie in memory, of a size that CountersSize has returned, which begins at a multiple of 128
// bytes; otherwise it panics. It clears the memory, which must stay mapped as long as anybody may hold a lease on, or acquire one
// from, the generation that is made with them.
func CountersIn(memory []byte) Counters {
	n := len(memory) / shardSize
	if n == 0 || n&(n-1) != 0 || len(memory)%shardSize != 0 || uintptr(unsafe.Pointer(unsafe.SliceData(memory)))%uintptr(shardSize) != 0 {
		panic("generations: memory is not fit for counters")
	}
	c := Counters(unsafe.Slice((*shard)(unsafe.Pointer(unsafe.SliceData(memory))), n))
	for i := range c {
		c[i].leases.Store(0) // another process may read at any time
		for j := range c[i].words {
			atomic.StoreUint64(&c[i].words[j], 0)
		}
	}
	return c
}

// CountIn returns the number of leases that counters in such memory show. The memory may be a copy, and may be damaged.
func CountIn(memory []byte) (held int64) {
	for ; len(memory) >= shardSize; memory = memory[shardSize:] {
		held += heldBy(int64(binary.NativeEndian.Uint64(memory[unsafe.Offsetof(shard{}.leases):])))
		for word := unsafe.Offsetof(shard{}.words); word < uintptr(shardSize); word += 8 {
			if binary.NativeEndian.Uint64(memory[word:]) != 0 {
				held++
			}
		}
	}
	return max(held, 0)
}

// shardCount returns a power of two.
func shardCount() int {
	n := max(minShards, min(maxShards, shardsPerCore*runtime.GOMAXPROCS(0)))
	return 1 << bits.Len(uint(n-1))
}

// shard picks the shard for the calling goroutine by the address of its stack. So a goroutine that stays on its core finds
// its shard's line in that core's cache. The choice costs one multiplication and no shared state.
//
// BenchmarkPick compares the alternatives. A token from a sync.Pool is bound to the core more strictly, but makes Acquire and
// Release together half as slow again, and allocates again after each garbage collection. math/rand/v2 picks another line
// each time, so every core fetches the lines of all others: nearly three times as slow on two cores. The drawback of the
// address is that two goroutines may share a shard for as long as they live, which only costs them time.
func (c *counted) shard() *shard {
	return &c.shards[stackHash()&uint64(len(c.shards)-1)]
}

// stackHash spreads the addresses of stacks, which are at least 2 KiB apart, over the low bits.
func stackHash() uint64 {
	var here byte
	const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ over the golden ratio: Knuth, The Art of Computer Programming, 6.4
	return uint64(uintptr(unsafe.Pointer(&here))>>10) * golden >> 40
}
