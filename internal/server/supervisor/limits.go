package supervisor

import "time"

// limits are the times and sizes that no option changes. Tests have others.
type limits struct {
	beat time.Duration // between two beats; New shortens it to half of systemd's watchdog interval

	grace time.Duration // what a worker gets beyond its own limits, for its last words and its exit
	death time.Duration // from SIGKILL to the end; what takes longer hangs in the kernel
	last  time.Duration // between the moment in which a taker's socket closes and that in which its exit status is there

	backlog time.Duration // for connections that were made before the server stops, until a worker has accepted them

	relock time.Duration // between two handovers to a worker that has the store's new lock

	settled    time.Duration // a worker that served for as long has not crashed in a row with the one before
	firstPause time.Duration // before the third start in a row; each further one doubles
	maxPause   time.Duration // between two starts: a mended configuration or store is tried soon

	lean               int64         // resident bytes from which the supervisor gives memory back
	fat                int64         // … whether it has work or not
	slimFirst, slimMax time.Duration // between two times that it does so while it has no work

	silence func(*process) time.Duration // process.silence, except in tests
}

// leastBeat bounds how short a watchdog may make the beat.
const leastBeat = 10 * time.Millisecond

func defaultLimits() limits {
	return limits{
		beat:       time.Second,
		grace:      5 * time.Second,
		death:      5 * time.Second,
		last:       100 * time.Millisecond,
		backlog:    100 * time.Millisecond,
		relock:     time.Minute,
		settled:    30 * time.Second,
		firstPause: 100 * time.Millisecond,
		maxPause:   5 * time.Second,
		lean:       14 << 20,
		fat:        20 << 20,
		slimFirst:  5 * time.Second,
		slimMax:    10 * time.Minute,
		silence:    (*process).silence,
	}
}
