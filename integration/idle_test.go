package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// switches returns how often the threads of a process have waited and were woken up since they began.
func switches(t *testing.T, pid int) (n int) {
	t.Helper()
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	for _, file := range threads {
		text, _ := os.ReadFile(file) // a thread may have ended
		for line := range strings.Lines(string(text)) {
			if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				k, err := strconv.Atoi(strings.TrimSpace(count))
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}
	}
	return n
}

// cpuTime returns what a process has used of the processors, in steps of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:])) // from the third on, see proc(5)
	var ticks int
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// TestIdle counts the wake-ups of a server that nobody calls: at first there are some each second, and then only every ten.
func TestIdle(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute, most of which is waiting")
	}
	t.Parallel()
	p := newPlace(t)
	install(t, newSource(t, "hello").build(), filepath.Join(p.plugins, "hello.so"))
	d := p.start(t, "--plugins", p.plugins)
	worker := d.status().Worker.PID
	time.Sleep(15 * time.Second) // what a start leaves behind, and ten beats without a call
	supervisorBefore, workerBefore := switches(t, d.cmd.Process.Pid), switches(t, worker)
	const seconds = 30
	time.Sleep(seconds * time.Second)
	bySupervisor, byWorker := switches(t, d.cmd.Process.Pid)-supervisorBefore, switches(t, worker)-workerBefore
	t.Logf("in %d s the supervisor has woken %d times, the worker %d times", seconds, bySupervisor, byWorker)
	if bySupervisor > 12*seconds { // 1 to 3 a second, and 10 beside a load of 20; with a beat each second it is 20
		t.Errorf("in %d s the supervisor has woken %d times", seconds, bySupervisor)
	}
}
