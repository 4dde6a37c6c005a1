package generations

import (
	"context"
	"testing"

	"github.com/sohost/sohost/internal/ratio"
)

// BenchmarkCall prints what a call through a slot costs, as a multiple of a call of the same method through an interface.
func BenchmarkCall(b *testing.B) {
	var direct ratio.Callee = ratio.NewCallee()
	var s Slot[ratio.Callee]
	if _, err := s.Swap(NewGeneration(ID{}, direct)); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	ratio.Compare(b, []ratio.Way{
		{Name: "direct", Calls: func(n int) (sum int) {
			for i := range n {
				sum += direct.Call(i)
			}
			return sum
		}},
		{Name: "lease", Calls: func(n int) (sum int) {
			for i := range n {
				lease, err := s.Acquire(ctx)
				if err != nil {
					return 0
				}
				sum += lease.Value().Call(i)
				lease.Release()
			}
			return sum
		}},
		{Name: "batch", Calls: func(n int) (sum int) {
			lease, err := s.Acquire(ctx)
			if err != nil {
				return 0
			}
			defer lease.Release()
			for i := range n {
				sum += lease.Value().Call(i)
			}
			return sum
		}},
	})
}
