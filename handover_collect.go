package sohost

import "runtime/debug"

// movingGC is the GOGC of both processes while states move. Nearly all that is allocated then stays, so that to collect garbage is in
// vain; but it takes as much of the processors as what callers wait for.
const movingGC = 400

// collectLess makes the garbage collector run less often. The function returned ends that, unless a plugin has set GOGC meanwhile; it
// may be called more than once.
func collectLess() (end func()) {
	before := debug.SetGCPercent(movingGC)
	if before < 0 || before >= movingGC { // it is off, or runs even less
		debug.SetGCPercent(before)
		return func() {}
	}
	ended := false
	return func() {
		if ended {
			return
		}
		ended = true
		if now := debug.SetGCPercent(before); now != movingGC {
			debug.SetGCPercent(now)
		}
	}
}
