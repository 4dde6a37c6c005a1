package supervisor

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/sohost/sohost/native"
)

// heapGoal is for the Go heap and all that goes with it; it may be passed.
const heapGoal = 8 << 20

// lean is how much memory a supervisor may take until it gives back what it can.
const lean = 14 << 20

// slim gives memory back: most of it are pages of the program that were needed once.
func (s *Supervisor) slim() {
	debug.FreeOSMemory()
	if _, err := native.CoolProgram(); err != nil {
		s.log.Debug("give back memory", "err", err)
	}
}

// resident is the memory of a process in bytes; 0 if the kernel doesn't tell.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("VmRSS:"))
	fields := strings.Fields(string(rest[:min(len(rest), 64)]))
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}
