//go:build race && amd64

package native

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ThreadSanitizer keeps 44 bits of the addresses in its traces. When it reports a race it restores the rest of each, code of
// plugins included, and ends the process if it can't: "failed to restore address". It can for addresses below restorable, where
// a Go program and its heap lie. The dynamic loader maps images where the kernel likes, which is just below the stack. So
// under the race detector nothing else is left free: the kernel then takes the highest place below restorable.
//
// A reservation takes addresses and no memory. It stays for the life of the process, since ThreadSanitizer later maps its shadow
// over a part of it.
const restorable = 0xe0_0000_0000

// init comes before any limit of addresses that the process may set, and so before the reservation would exceed one.
func init() {
	if !topDown() {
		return // the kernel looks for a place upwards only, and would find none
	}
	for range 3 { // another thread may map something at the same time
		if reserve() {
			return
		}
	}
}

// topDown reports whether the kernel looks for the highest place that is free. It doesn't if the size of stacks is unlimited.
func topDown() bool {
	at, err := unix.MmapPtr(-1, 0, nil, 1, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	unix.MunmapPtr(at, 1)
	return uintptr(at) >= 0x7000_0000_0000
}

// reserve takes all that is free between restorable and the gap into which the main thread's stack grows. It reports whether
// there is nothing to be taken any more.
func reserve() (done bool) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return true
	}
	defer f.Close()
	done = true
	free := uintptr(restorable)
	for s := bufio.NewScanner(f); s.Scan(); {
		var begin, end uintptr
		var rights, offset, device, inode, name string
		if n, _ := fmt.Sscanf(s.Text(), "%x-%x %s %s %s %s %s", &begin, &end, &rights, &offset, &device, &inode, &name); n < 2 {
			return true
		}
		if name == "[stack]" {
			break
		}
		if begin > free {
			const flags = unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE | unix.MAP_FIXED_NOREPLACE
			_, _, errno := unix.Syscall6(unix.SYS_MMAP, free, begin-free, unix.PROT_NONE, flags, ^uintptr(0), 0)
			done = done && errno == 0
		}
		free = max(free, end)
	}
	return done
}
