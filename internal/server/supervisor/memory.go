package supervisor

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/sohost/sohost/native"
)

// heapGoal is the soft limit for the Go heap and the runtime's own memory. A supervisor has little to do, and all day for that.
const heapGoal = 8 << 20

// answerRoom is how often the answer of a worker, and all that is made of it, fits into what is added to the limit for it.
const answerRoom = 16

// room is what the largest answer of a worker has needed. Without it the collector would run for each small piece of a large answer: with
// 300 plugins half of the time of a status.
type room struct {
	mu      sync.Mutex // guards largest
	largest int        // bytes
}

// make raises the soft limit for an answer of so many bytes, and for all later ones that aren't larger.
func (r *room) make(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size > r.largest {
		r.largest = size
		debug.SetMemoryLimit(int64(heapGoal + answerRoom*size))
	}
}

// slim gives memory back to the kernel. Most of it are pages of the program that were needed once.
func (s *Supervisor) slim() {
	debug.FreeOSMemory()
	_, err := native.CoolProgram()
	s.log.Debug("memory given back", "err", err)
}

// slimIfFat gives memory back if there is much. If that helps only for a moment, it is done less and less often: to collect garbage
// is work, and an idle supervisor shouldn't have any. An idle one doesn't become fat; one that does has work, such as requests for
// its status, and gives memory back at once.
func (s *Supervisor) slimIfFat(now time.Time) {
	has := resident(os.Getpid())
	if has <= s.limits.lean || now.Before(s.slimNext) && has <= s.limits.fat {
		return
	}
	s.slim()
	s.slimPause = min(max(2*s.slimPause, s.limits.slimFirst), s.limits.slimMax)
	s.slimNext = now.Add(s.slimPause)
}

// resident returns the resident memory of a process in bytes; 0 if the kernel doesn't say.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) { // VmRSS:	    9876 kB
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return kib << 10
		}
	}
	return 0
}
