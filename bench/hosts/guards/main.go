// Guards calls what is compiled in, through a pointer that could be replaced at any time, as programs write it by hand:
//
//	guards pointer|rwmutex|rbmutex
package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"
	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/bench/work"
)

func main() {
	lane.Main(func() (*lane.Host, error) {
		switch os.Args[1] {
		case "pointer":
			return pointer(work.New()), nil
		case "rwmutex":
			return rwmutex(work.New()), nil
		case "rbmutex":
			return rbmutex(work.New()), nil
		}
		return nil, fmt.Errorf("no guard %q", os.Args[1])
	})
}

// pointer doesn't know when the last call of what was replaced has returned.
func pointer(c work.Counter) *lane.Host {
	var current atomic.Pointer[work.Counter]
	current.Store(&c)
	return lane.Of(nil, &current)
}

func rwmutex(current work.Counter) *lane.Host {
	var mu sync.RWMutex // guards current
	return &lane.Host{
		Next: func(n int) int {
			mu.RLock()
			defer mu.RUnlock()
			return current.Next(n)
		},
		Nexts: func(n int) (sum int) {
			for i := range n {
				mu.RLock()
				sum += current.Next(i)
				mu.RUnlock()
			}
			return sum
		},
		Counts: func(n int) (sum int) {
			for range n {
				mu.RLock()
				sum += current.Count(lane.Text)
				mu.RUnlock()
			}
			return sum
		},
	}
}

func rbmutex(current work.Counter) *lane.Host {
	mu := xsync.NewRBMutex() // guards current
	return &lane.Host{
		Next: func(n int) int {
			token := mu.RLock()
			defer mu.RUnlock(token)
			return current.Next(n)
		},
		Nexts: func(n int) (sum int) {
			for i := range n {
				token := mu.RLock()
				sum += current.Next(i)
				mu.RUnlock(token)
			}
			return sum
		},
		Counts: func(n int) (sum int) {
			for range n {
				token := mu.RLock()
				sum += current.Count(lane.Text)
				mu.RUnlock(token)
			}
			return sum
		},
	}
}
