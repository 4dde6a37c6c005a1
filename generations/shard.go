package generations

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// shard counts some of a generation's leases.
type shard struct {
	leases atomic.Int64
	// 128 bytes apart: the line of arm64, and on amd64 the pair of 64-byte lines that is fetched together.
	_ [120]byte
}

const (
	shardsPerCore = 4   // so that two busy goroutines seldom meet in one
	minShards     = 16  // for the same reason on few cores
	maxShards     = 256 // 32 KiB a generation
)

// shardCount gives a power of two.
func shardCount() int {
	n := max(minShards, min(maxShards, shardsPerCore*runtime.GOMAXPROCS(0)))
	return 1 << bits.Len(uint(n-1))
}

// shard picks the shard for the calling goroutine by the address of its stack. A goroutine that stays on its core so finds
// the line of its shard in that core's cache, and it costs one multiplication and no shared state.
//
// The ways not taken, by BenchmarkPick: a token from a sync.Pool is bound to the core more strictly, but makes the whole of
// Acquire and Release half as slow again, and allocates anew after garbage collections. math/rand/v2 takes another line each
// time, so that every core fetches the lines of all others: nearly three times as slow on two cores. The price of the
// address is that two goroutines may share a shard for as long as they live, which costs them time and nothing else.
func (g *Generation[T]) shard() *shard {
	return &g.shards[stackHash()&uint64(len(g.shards)-1)]
}

// stackHash spreads the addresses of stacks, which are 2 KiB and more apart, over the low bits.
func stackHash() uint64 {
	var here byte
	const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ over the golden ratio: Knuth, The Art of Computer Programming, 6.4
	return uint64(uintptr(unsafe.Pointer(&here))>>10) * golden >> 40
}
