package generations

import (
	"testing"
	"unsafe"
)

// aligned returns memory that begins at a multiple of 128 bytes.
func aligned(n int) []byte {
	b := make([]byte, n+shardSize)
	return b[(shardSize-int(uintptr(unsafe.Pointer(&b[0]))%uintptr(shardSize)))%shardSize:][:n:n]
}

// TestCountersIn counts leases in memory of the test's own.
func TestCountersIn(t *testing.T) { inForms(t, testCountersIn) }

func testCountersIn(t *testing.T) {
	memory := aligned(CountersSize())
	g := NewCounted(CountersIn(memory), idOf("a"), 7)
	var s Slot[int]
	if _, ok := s.TryAcquire(); ok {
		t.Error("an empty slot lends something")
	}
	if _, err := s.Swap(g); err != nil {
		t.Fatal(err)
	}
	first, err := s.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, ok := s.TryAcquire()
	if !ok || second.Value() != 7 {
		t.Fatal("nothing is lent")
	}
	if n := CountIn(memory); n != 2 || g.Leases() != 2 {
		t.Errorf("counted are %d and %d leases, want 2", n, g.Leases())
	}
	gate, err := s.Gate()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.TryAcquire(); ok {
		t.Error("a slot whose gate is shut lends something")
	}
	first.Release()
	second.Release()
	if err := g.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := gate.Open(g); err != nil {
		t.Error(err)
	}
	if n := CountIn(memory); n != 0 {
		t.Errorf("counted are %d leases, want none", n)
	}
	if n := CountIn([]byte{1, 2, 3}); n != 0 {
		t.Errorf("in too little memory counted are %d", n)
	}
}

func TestCountersMisfit(t *testing.T) {
	whole := aligned(4 * shardSize)
	for what, memory := range map[string][]byte{
		"nothing": nil, "three shards": whole[:3*shardSize], "no whole shard": whole[:shardSize+8], "not aligned": whole[8 : 8+2*shardSize],
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken for counters", what)
				}
			}()
			CountersIn(memory)
		}()
	}
}
