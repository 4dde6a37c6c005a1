package generations

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dyingEnv makes the test binary a process whose first thread has exited, and which ends with its input.
const dyingEnv = "SOHOST_TEST_DYING"

func init() {
	if os.Getenv(dyingEnv) == "" {
		return
	}
	go func() {
		io.ReadAll(os.Stdin)
		os.Exit(0)
	}()
	runtime.LockOSThread() // init runs in the first thread
	unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
}

// TestDying has a process that is about to end, and doesn't yet: a server started in its place waits for it.
func TestDying(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), dyingEnv+"=1")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for !isDying(pid) {
		if err := unix.Kill(pid, 0); err != nil {
			t.Fatalf("the process is gone: %v", err)
		}
		runtime.Gosched()
	}
	over := make(chan bool)
	go func() { over <- alive(pid, time.Nanosecond) }()
	input.Close()
	if <-over {
		t.Error("it counts as alive after its end")
	}
	cmd.Wait()
	if isDying(os.Getpid()) {
		t.Error("this process counts as dying")
	}
}
