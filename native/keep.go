package native

import _ "github.com/sohost/sohost/native/internal/linknames" // what is referred to by linkname

// The linker leaves out of a program what nothing in it refers to, of the Go runtime as well. A slim image takes the runtime from the
// program that opens it, so that has to have every function that the compiler inserts calls of, whether or not the program's own code
// makes the compiler do so. keep_runtime.go does, for all of them: it is ordinary code and so the same for every release and
// architecture. Assembly that refers to the functions would be shorter, but the linker permits that to the standard library alone.
// TestKeep compares the outcome with the compiler's sources.
//
// So it is with what the runtime does for packages of the standard library, such as os/signal and crypto/rand: an image can bring these
// along, but not their part of the runtime. Their exported API has references to all of it. Packages with C code, such as net, can't be
// brought at all, so all of their API is kept, too.

//go:generate go run github.com/sohost/sohost/scripts/keep keep.go keep_api.go
//keep:crypto/fips140 crypto/rand crypto/subtle iter maps net os/signal os/user plugin reflect runtime runtime/cgo runtime/debug runtime/metrics runtime/pprof runtime/trace sync sync/atomic syscall time unique
//keep:weak

func init() {
	hold(keep)
	hold(keepAPI)
}

// hold keeps what it gets from being left out: the compiler can't know that nothing is done with it.
//
//go:noinline
func hold(any) {}
