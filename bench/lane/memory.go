package lane

import (
	"bytes"
	"errors"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memory returns how much memory this process has resident, after a garbage collection. Processes of plugins don't count: one takes
// the place of another.
func memory() (a Answer, err error) {
	for range 2 { // what finalizers release is garbage only then
		debug.FreeOSMemory()
	}
	a.Bytes, err = resident()
	return a, err
}

func resident() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(status, []byte("VmRSS:"))
	if fields := strings.Fields(string(rest)); found && len(fields) > 1 && fields[1] == "kB" {
		kB, err := strconv.ParseInt(fields[0], 10, 64)
		return kB << 10, err
	}
	return 0, errors.New("no VmRSS in /proc/self/status")
}
