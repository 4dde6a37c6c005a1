package lane

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memory returns how much memory this process and its children have resident, after a garbage collection.
func memory() (a Answer, err error) {
	for range 2 { // what finalizers release is garbage only then
		debug.FreeOSMemory()
	}
	if a.Bytes, err = resident("self"); err != nil {
		return a, err
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return a, err
	}
	for _, task := range tasks {
		children, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(children)) {
			bytes, err := resident(child)
			if err != nil {
				return a, err
			}
			a.Bytes += bytes
		}
	}
	return a, nil
}

func resident(pid string) (int64, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(status, []byte("VmRSS:"))
	if fields := strings.Fields(string(rest)); found && len(fields) > 1 && fields[1] == "kB" {
		kB, err := strconv.ParseInt(fields[0], 10, 64)
		return kB << 10, err
	}
	return 0, fmt.Errorf("no VmRSS of process %s", pid)
}
