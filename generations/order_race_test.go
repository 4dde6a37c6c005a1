//go:build race

package generations

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// TestOrder has an Acquire that loads the generation, sleeps through its absence, in which its value is read, and counts a lease once it is
// put back. The race detector must know that this is in order, though the counters are in memory that it doesn't follow. What the two
// goroutines wait for is in such memory, too.
func TestOrder(t *testing.T) {
	memory, err := syscall.Mmap(-1, 0, 1<<13, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	step := (*atomic.Uint32)(unsafe.Pointer(&memory[0]))
	await := func(n uint32) {
		for step.Load() < n {
			runtime.Gosched()
		}
	}
	value := new(int)
	slot, g := NewSlot[*int](SlotOptions{}), NewCounted(CountersIn(memory[4096:]), ID{1}, value)
	if _, err := slot.Swap(g); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var lease Lease[*int]
		g := slot.current.Load()
		step.Store(1)
		await(2)
		if !lease.count(&g.counted) {
			t.Error("there is no lease on a generation that was put back")
			return
		}
		*lease.Value()++
		lease.Release()
	}()
	await(1)
	gate, err := slot.Gate()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if *value != 0 {
		t.Error("the value has changed")
	}
	if err := gate.Open(g); err != nil {
		t.Fatal(err)
	}
	step.Store(2)
	<-done
}
