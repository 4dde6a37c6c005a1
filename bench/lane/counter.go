package lane

import (
	"sync/atomic"

	"github.com/sohost/sohost/bench/work"
)

// Of returns a host whose plugin is behind a pointer that load replaces.
func Of(load func(file string) (func(), error), current *atomic.Pointer[work.Counter]) *Host {
	return &Host{
		Load:    load,
		Version: func() int { return (*current.Load()).Version() },
		Next:    func(n int) int { return (*current.Load()).Next(n) },
		Nexts: func(n int) (sum int) {
			for i := range n {
				sum += (*current.Load()).Next(i)
			}
			return sum
		},
		Counts: func(n int) (sum int) {
			for range n {
				sum += (*current.Load()).Count(Text)
			}
			return sum
		},
	}
}
