package wall

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// thread is an operating system thread that has been given up to restrictions: nothing else ever runs on it. It must live as long
// as the process that it has started, as that process dies with it.
type thread struct {
	free chan struct{}
	gone sync.WaitGroup
}

// onThread calls start on a thread of its own, and returns once start has.
func onThread(start func()) *thread {
	t := &thread{free: make(chan struct{})}
	started := make(chan struct{})
	t.gone.Go(func() {
		// Without an unlock the thread ends with the goroutine. New threads don't inherit from it: the runtime starts them from
		// another one as long as the goroutine is locked.
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() { // the first thread of a process can't end
			other := onThread(start) // on another one, as this one is taken
			close(started)
			<-t.free
			other.end()
			runtime.UnlockOSThread()
			return
		}
		start()
		close(started)
		<-t.free
	})
	<-started
	return t
}

// end ends the thread, and with it the process that it has started.
func (t *thread) end() {
	close(t.free)
	t.gone.Wait()
}
