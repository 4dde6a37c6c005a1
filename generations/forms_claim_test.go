//go:build amd64 && !race && go1.26 && !go1.28

package generations

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// forms are the ways in which leases are kept, and what makes this process take each.
var forms = []form{
	{"words", mayClaim},
	{"words, no memory for membarrier", func(t *testing.T) {
		mayClaim(t)
		before := membarrier
		membarrier = func(int) error { return errors.New("no memory") }
		t.Cleanup(func() { membarrier = before })
	}},
	{"counted", func(t *testing.T) {
		before := atomic.SwapUintptr(&processor, 0)
		t.Cleanup(func() { atomic.StoreUintptr(&processor, before) })
	}},
}

// awaitForms returns when this process may claim words, or it is clear that it may not.
func awaitForms() {
	expectFence()
	<-registered
}

func mayClaim(t *testing.T) {
	if processor == 0 {
		t.Skip("this process can't claim words: the kernel has no membarrier(2), or the runtime isn't in the program itself")
	}
}

// TestClaim takes more leases on one processor than its shard has words: the last ones are counted.
func TestClaim(t *testing.T) {
	mayClaim(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	memory := aligned(CountersSize())
	g := NewCounted(CountersIn(memory), ID{}, 1)
	var s Slot[int]
	swap(t, &s, g, nil)
	words := len(g.shards[0].words)
	var leases []Lease[int]
	for i := range words + 2 {
		l := acquire(t, &s, 1)
		if l.isCounted() != (i >= words) || l.Generation() != g {
			t.Errorf("lease %d: counted is %t", i, l.isCounted())
		}
		if leases = append(leases, l); g.Leases() != int64(i+1) || CountIn(memory) != int64(i+1) {
			t.Errorf("%d leases, and %d in memory, want %d", g.Leases(), CountIn(memory), i+1)
		}
	}
	leases[3].Release()
	if l := acquire(t, &s, 1); l.isCounted() || l.word != &g.shards[0].words[3] {
		t.Error("a word that is free again isn't claimed")
	} else {
		leases[3] = l
	}
	swap(t, &s, nil, g)
	for i := range leases {
		leases[i].Release()
	}
	if g.Leases() != 0 || CountIn(memory) != 0 || g.Drain(t.Context()) != nil {
		t.Errorf("in the end there are %d leases, and %d in memory", g.Leases(), CountIn(memory))
	}
}

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// TestClaimOwn claims words on many processors: each those of the shard with its own ID, as the runtime says it, and none where there is
// no such shard.
func TestClaimOwn(t *testing.T) {
	mayClaim(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * minShards))
	var s Slot[int]
	g := NewCounted(make(Counters, minShards), ID{}, 1)
	swap(t, &s, g, nil)
	var seen [2 * minShards]atomic.Int64
	var wg sync.WaitGroup
	for range 8 * minShards {
		wg.Go(func() {
			for range 2000 {
				id := procPin()
				l, ok := s.Try()
				of := -1
				if ok {
					of = l.shardOf(g)
				}
				l.Forgo() // before another goroutine runs: so one word is always free
				procUnpin()
				if ok != (id < minShards) || ok && of != id {
					t.Errorf("processor %d: claimed is %t, of shard %d", id, ok, of)
				}
				seen[id].Add(1)
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	ran := 0
	for id := range seen {
		if seen[id].Load() > 0 {
			ran++
		}
	}
	if ran < 2 {
		t.Errorf("processors that ran something: %d", ran)
	}
}

// shardOf returns the index of the shard whose word the lease is.
func (h *hold) shardOf(g *Generation[int]) int {
	return int(uintptr(unsafe.Pointer(h.word))-uintptr(unsafe.Pointer(&g.shards[0]))) / shardSize
}

// TestRuntimeStructs looks for what isn't there: nothing is claimed then.
func TestRuntimeStructs(t *testing.T) {
	if s := runtimeStruct("nothing of the kind"); s != nil {
		t.Errorf("found is %v", s)
	}
	if s := runtimeStruct("m"); s == nil || s.String() != "runtime.m" {
		t.Errorf("found is %v", s)
	}
	type m struct {
		P  uintptr
		ID int32
	}
	for _, test := range []struct {
		of    reflect.Type
		field string
		kind  reflect.Kind
		want  bool
	}{
		{nil, "P", reflect.Uintptr, false}, {reflect.TypeFor[m](), "Q", reflect.Uintptr, false},
		{reflect.TypeFor[m](), "ID", reflect.Int64, false}, {reflect.TypeFor[m](), "ID", reflect.Int32, true},
	} {
		if at, ok := offset(test.of, test.field, test.kind); ok != test.want || ok && at != 8 {
			t.Errorf("%v.%s of kind %v: %d, %t", test.of, test.field, test.kind, at, ok)
		}
	}
}

// TestNoMembarrier has a kernel without it: nothing is claimed.
func TestNoMembarrier(t *testing.T) {
	before := membarrier
	membarrier = func(int) error { return errors.New("not implemented") }
	at := atomic.SwapUintptr(&processor, 0)
	fencing.Store(false)
	t.Cleanup(func() { membarrier = before; fencing.Store(true); atomic.StoreUintptr(&processor, at) })
	askKernel()
	if fencing.Load() || processor != 0 {
		t.Error("words are claimed without fences")
	}
	fence() // does nothing
	var s Slot[int]
	swap(t, &s, NewGeneration(ID{}, 1), nil)
	l := acquire(t, &s, 1)
	if !l.isCounted() {
		t.Error("the lease isn't counted")
	}
	l.Release()
}

// TestStoreBuffers has a caller with many stores under way, to memory that is in no cache, so that those to its words become visible
// late. Without the fence a lease is missed or a drain hangs.
func TestStoreBuffers(t *testing.T) {
	mayClaim(t)
	if runtime.NumCPU() < 2 {
		t.Skip("on one processor all stores are visible")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	rounds := 100_000
	if testing.Short() {
		rounds = 50_000
	}
	far := make([]uint64, 128<<20/8)
	for i := range far {
		far[i] = 2
	}
	var s Slot[*probe]
	next := func() *Generation[*probe] { return NewCounted(make(Counters, 2), ID{}, new(probe)) }
	swap(t, &s, next(), nil)
	var stop atomic.Bool
	var caller sync.WaitGroup
	caller.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		store := func() {
			for range 40 {
				far[random.Uint64N(uint64(len(far)))] = 1
			}
		}
		for !stop.Load() {
			store()
			lease, ok := s.Try()
			if ok && lease.Value().closed.Load() {
				t.Error("a lease on a value that was drained")
			}
			store()
			lease.Forgo()
		}
	})
	for range rounds {
		old, err := s.Swap(next())
		if err != nil {
			t.Fatal(err)
		}
		retire(t, old)
	}
	stop.Store(true)
	caller.Wait()
}
