package worker

// headroom is how much garbage a worker may have at least before the next collection.
const headroom = 16 << 20

// newHeadroom returns memory that nobody uses and that is to be kept. The garbage collector takes it for live, and by default lets
// the heap double. Without it a worker with few MB of live memory collects hundreds of times a second under load: each request leaves
// some KB, and what is marked each time is all of the live memory, more of it than a small server has. The kernel has no page of it,
// because nobody writes to it, and with no pointers in it the collector doesn't read it.
//
// To set GOGC would be no way: all plugins share it, so that changes of it are watched, and a large heap would grow in proportion.
func newHeadroom() []byte { return make([]byte, headroom) }
