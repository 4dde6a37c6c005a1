package state

import (
	"math/rand/v2"
	"testing"
)

// TestAddresses compares the table with a Go map. Places that lie in order, as those of a slice do, don't crowd together.
func TestAddresses(t *testing.T) {
	var a addresses
	want := map[span]uint64{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		at := span{uintptr(0xc000000000 + 16*r.IntN(5_000)), []int{-1, 64, 72}[r.IntN(3)]}
		number, met := a.number(at, uint64(len(want))+1)
		if before, known := want[at]; met != known || known && number != before {
			t.Fatalf("%v has number %d, %v; want %d, %v", at, number, met, before, known)
		}
		want[at] = number
	}
	if a.used != len(want) {
		t.Errorf("%d places, want %d", a.used, len(want))
	}
	a = addresses{}
	for i := range uint64(1 << 16) {
		a.number(span{uintptr(0xc000000000 + 4096*i), -1}, i+1)
	}
	longest, run := 0, 0
	for _, s := range a.slots {
		if run++; s.number == 0 {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest > 1000 {
		t.Errorf("%d slots in a row are taken", longest)
	}
}
