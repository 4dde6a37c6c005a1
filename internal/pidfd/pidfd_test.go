package pidfd

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child starts a process that ends when its standard input does.
func child(t *testing.T) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }() // reap it, as any parent does
	t.Cleanup(func() { in.Close(); <-done })
	return cmd.Process.Pid, func() { in.Close() }
}

// long is more time than any test needs; it ends a test that hangs.
const long = time.Minute

// both runs a test with a pidfd and without one.
func both(t *testing.T, test func(t *testing.T, open func(pid int) *Process)) {
	t.Run("pidfd", func(t *testing.T) {
		test(t, func(pid int) *Process {
			p, err := Open(pid)
			if err != nil {
				t.Fatal(err)
			}
			if p.file == nil {
				t.Fatal("no pidfd: this kernel has pidfd_open(2)")
			}
			return p
		})
	})
	t.Run("number", func(t *testing.T) {
		test(t, func(pid int) *Process {
			p, err := open(pid, func(int, int) (int, error) { return -1, unix.EPERM })
			if err != nil || p.file != nil {
				t.Fatal(p, err)
			}
			return p
		})
	})
}

func TestAwaitEnd(t *testing.T) {
	test := func(t *testing.T, open func(pid int) *Process) {
		pid, end := child(t)
		p := open(pid)
		if p.PID() != pid {
			t.Errorf("PID is %d, want %d", p.PID(), pid)
		}
		begin := time.Now()
		if p.AwaitEnd(20 * time.Millisecond) {
			t.Error("a process that runs has ended")
		}
		if took := time.Since(begin); took < 20*time.Millisecond {
			t.Errorf("gave up after %v, want 20 ms", took)
		}
		if p.AwaitEnd(0) {
			t.Error("a process that runs has ended, says a look without a wait")
		}
		end()
		if !p.AwaitEnd(long) {
			t.Error("a process that has ended runs")
		}
		p.Kill() // nobody
	}
	both(t, test)
	t.Run("poll fails", func(t *testing.T) {
		test(t, func(pid int) *Process { return &Process{pid: pid, file: notAPidfd(t)} })
	})
}

func TestKill(t *testing.T) {
	both(t, func(t *testing.T, open func(pid int) *Process) {
		pid, _ := child(t)
		p := open(pid)
		p.Kill()
		if !p.AwaitEnd(long) {
			t.Error("runs on after SIGKILL")
		}
		p.Close()
		p.Close() // a second time does nothing
	})
}

// TestWaitsIdle makes poll fail at once: the wait must not become a busy loop.
func TestWaitsIdle(t *testing.T) {
	pid, _ := child(t)
	p := &Process{pid: pid, file: notAPidfd(t)}
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	before := cpu(t)
	p.AwaitEnd(300 * time.Millisecond)
	if used := cpu(t) - before; used > 100*time.Millisecond {
		t.Errorf("waiting for 300 ms took %v of a processor", used)
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestNobody(t *testing.T) {
	pid, end := child(t)
	p, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	end()
	if !p.AwaitEnd(long) {
		t.Fatal("runs")
	}
	for { // until its parent has reaped it
		gone, err := Open(pid)
		if errors.Is(err, unix.ESRCH) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		gone.Close()
	}
}

// TestSelf has both ends of a handover in one process, which must neither wait for its own end nor kill itself.
func TestSelf(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !p.AwaitEnd(long) {
		t.Error("this process waits for itself")
	}
	p.Kill()
	(&Process{pid: os.Getpid()}).Kill()
}

// TestClose closes the pidfd, once.
func TestClose(t *testing.T) {
	before := openFiles(t)
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	(&Process{pid: os.Getpid()}).Close()
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, before it were %d", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// notAPidfd is a file that poll reports an error of.
func notAPidfd(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w // a pipe without a reader: POLLERR
}
