package worker

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
)

// TestHeadroom has the next collection come later for memory that isn't there, in a new process, as a worker is one.
func TestHeadroom(t *testing.T) {
	const child = "SOHOST_TEST_HEADROOM"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHeadroom$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runtime.GC()
	goal, resident := heapGoal(), residentKB(t)
	kept := newHeadroom()
	runtime.GC()
	if more := heapGoal() - goal; more < 3*headroom/2 { // the least goal is 4 MB, whatever is live
		t.Errorf("the heap may grow to %d bytes more", more)
	}
	if more := residentKB(t) - resident; more > headroom>>10/4 {
		t.Errorf("%d KB more are resident", more)
	}
	runtime.KeepAlive(kept)
}

func heapGoal() int64 {
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	return int64(goal[0].Value.Uint64())
}

func residentKB(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kB, err := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB
}
