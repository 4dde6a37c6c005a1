package worker

import "syscall"

// headroom is how much garbage a worker may have at least before the next collection.
const headroom = 16 << 20

// newHeadroom returns memory that nobody uses and that is to be kept. The garbage collector takes it for live, and by default lets
// the heap double. Without it a worker with few MB of live memory collects hundreds of times a second under load: each request leaves
// some KB, and what is marked each time is all of the live memory, more of it than a small server has. With no pointers in it the
// collector doesn't read it. Nobody writes to it but the runtime, which clears it if it begins where something was before; the pages of
// that are given back, so that the kernel has none of it.
//
// To set GOGC would be no way: all plugins share it, so that changes of it are watched, and a large heap would grow in proportion.
func newHeadroom() []byte {
	memory := make([]byte, headroom)               // so much begins at a page
	syscall.Madvise(memory, syscall.MADV_DONTNEED) // else it is resident, which costs memory and nothing else
	return memory
}
