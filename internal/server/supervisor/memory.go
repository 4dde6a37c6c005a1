package supervisor

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sohost/sohost/native"
)

// heapGoal is the soft limit for the Go heap and the runtime's own memory. A supervisor has little to do, and all day for that.
const heapGoal = 8 << 20

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
