package sohost

import "runtime/debug"

// arrivingGC is the GOGC of a taker while states arrive. Nearly all that is allocated then stays, so that to collect garbage is in vain;
// but it takes as much of the processors as the decoding for which callers wait.
const arrivingGC = 400

// collectLess makes the garbage collector run less often. The function returned ends that; it may be called more than once.
func collectLess() (end func()) {
	before := debug.SetGCPercent(arrivingGC)
	if before < 0 || before >= arrivingGC { // it is off, or runs even less
		debug.SetGCPercent(before)
		return func() {}
	}
	ended := false
	return func() {
		if !ended {
			ended = true
			debug.SetGCPercent(before)
		}
	}
}
