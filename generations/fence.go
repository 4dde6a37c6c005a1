//go:build amd64 && !race && go1.26 && !go1.28

package generations

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

var (
	register   sync.Once
	registered = make(chan struct{}) // closed once the kernel has answered
	fencing    atomic.Bool           // words may be claimed now, or soon
)

// expectFence has the kernel register the process for fence, when its first generation is about to be current. That may take
// milliseconds, and isn't waited for: nothing is claimed until it is done. If the kernel or a sandbox refuses membarrier(2), nothing ever
// is. A sandbox that kills for it kills this process.
func expectFence() {
	register.Do(func() {
		go func() {
			defer close(registered)
			askKernel()
		}()
	})
}

func askKernel() {
	if membarrier(registerPrivateExpedited) == nil {
		fencing.Store(true)
		allowClaims()
	}
}

// fence is the drain's part of what claims says. What callers have stored before it returns, the goroutine that has called it sees
// afterwards, and callers who store later see then what that has stored before. It usually blocks for 2 µs, or 40 where other processors
// are busy.
//
// If it finds that nothing is claimed yet, whoever claims later knows that something is, and so sees all that was stored before.
func fence() {
	if fencing.Load() && membarrier(privateExpedited) != nil {
		stopTheWorld()
	}
}

// stopTheWorld does what membarrier does if the kernel has no memory for that: all processors stop for a moment.
func stopTheWorld() { runtime.ReadMemStats(new(runtime.MemStats)) }

// Commands of membarrier(2).
const (
	privateExpedited         = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// membarrier is a variable for tests.
var membarrier = func(command int) error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, uintptr(command), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
