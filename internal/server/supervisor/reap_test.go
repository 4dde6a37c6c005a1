package supervisor

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReap has a child of this process end, and an orphan that the kernel gives it. Only the orphan is reaped.
func TestReap(t *testing.T) {
	if adopter() {
		t.Fatal("this process gets orphans already")
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	if !adopter() {
		t.Error("a subreaper isn't recognized")
	}
	own := exec.Command("sh", "-c", "exit 3")
	var among children
	if err := among.start(own); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, own.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	among.reap()
	if err := own.Wait(); own.ProcessState.ExitCode() != 3 {
		t.Errorf("the child's exit status is taken: %v", err)
	}
	among.forget(own.Process.Pid)

	parent := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
	out, err := parent.Output()
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	among.reap()
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Fatalf("the orphan that still runs: %v", err)
	}
	for deadline := time.Now().Add(patience); !errors.Is(syscall.Kill(orphan, 0), syscall.ESRCH); {
		if among.reap(); time.Now().After(deadline) {
			t.Fatal("the orphan stays a zombie")
		}
	}
}
