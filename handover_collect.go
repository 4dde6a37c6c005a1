package sohost

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// movingGC is the GOGC of both processes while states move. Nearly all that is allocated then stays, so that to collect garbage is in
// vain; but it takes as much of the processors as what callers wait for.
const movingGC = 400

// lessCollected is a time in which the garbage collector runs less often.
type lessCollected struct {
	once   sync.Once
	before int // GOGC; negative: it isn't changed
}

// collectLess begins such a time. end or endLater must be called.
func collectLess() *lessCollected {
	before := debug.SetGCPercent(movingGC)
	if before < 0 || before >= movingGC { // it is off, or runs even less
		debug.SetGCPercent(before)
		before = -1
	}
	return &lessCollected{before: before}
}

// end sets GOGC back, unless a plugin has set it meanwhile. That often makes the collector run at once. It may be called more than once.
func (l *lessCollected) end() {
	l.once.Do(func() {
		if l.before < 0 {
			return
		}
		if now := debug.SetGCPercent(l.before); now != movingGC {
			debug.SetGCPercent(now)
		}
	})
}

// endLater calls end after the next collection, which comes within two minutes whatever is allocated: at once it would hold up callers
// who have just waited.
func (l *lessCollected) endLater() {
	runtime.AddCleanup(&struct{ self *lessCollected }{l}, (*lessCollected).end, l)
}
