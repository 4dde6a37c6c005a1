// Package pidfd waits for the end of a process that need not be a child, and kills it, without mistaking for it a later
// process that was given the same ID.
//
// It can't help before Open: the caller must know that the ID is still the process's own at that moment. And where the
// kernel or a sandbox offers no pidfds, it goes by the ID alone and can make that mistake.
package pidfd

import (
	"errors"
	"os"
	"time"

	"github.com/sohost/sohost/internal/fault"
	"golang.org/x/sys/unix"
)

// Process is a process that was opened by its ID. Its methods must not be called after Close, except for Close and PID.
type Process struct {
	pid  int
	file *os.File // a pidfd; nil if the kernel or a sandbox offers none
}

// Open opens the process with that ID. The error is ESRCH if there is none. Without pidfds there is no error: AwaitEnd
// then reports that the process has ended.
func Open(pid int) (*Process, error) {
	if err := fault.Error("process", "open"); err != nil {
		return nil, err
	}
	return open(pid, unix.PidfdOpen)
}

func open(pid int, pidfdOpen func(pid, flags int) (fd int, err error)) (*Process, error) {
	fd, err := pidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, err
	case err != nil: // no pidfds here, or a sandbox that doesn't allow the call
		return &Process{pid: pid}, nil // a later process with the same ID can be mistaken for this one
	}
	return &Process{pid: pid, file: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// PID returns the process ID.
func (p *Process) PID() int { return p.pid }

// Kill sends SIGKILL and doesn't wait. It does nothing to a process that has ended, nor to the calling process itself.
func (p *Process) Kill() {
	switch {
	case p.pid == os.Getpid():
	case p.file == nil:
		unix.Kill(p.pid, unix.SIGKILL)
	default:
		unix.PidfdSendSignal(int(p.file.Fd()), unix.SIGKILL, nil, 0)
	}
}

// look is the interval at which AwaitEnd checks a process without a pidfd.
const look = time.Millisecond

// AwaitEnd blocks until the process has ended, but no longer than d, and reports whether it has. Once it has, it holds
// nothing any more: no lock, no port. The calling process is treated as ended, since it can't wait for itself.
func (p *Process) AwaitEnd(d time.Duration) bool {
	if p.pid == os.Getpid() {
		return true
	}
	for deadline := time.Now().Add(d); ; {
		left := max(time.Until(deadline), 0)
		if p.ended(left) {
			return true
		}
		if left == 0 {
			return false
		}
	}
}

// ended reports whether the process has ended. It waits for that up to the given time, but may return earlier.
func (p *Process) ended(wait time.Duration) bool {
	if p.file != nil {
		fds := []unix.PollFd{{Fd: int32(p.file.Fd()), Events: unix.POLLIN}}
		switch n, err := unix.Poll(fds, int(wait.Milliseconds())); {
		case err == nil && n == 0:
			return false
		case err == nil && fds[0].Revents&unix.POLLIN != 0:
			return true
		} // interrupted, or it can't be asked
	}
	if errors.Is(unix.Kill(p.pid, 0), unix.ESRCH) {
		return true
	}
	time.Sleep(min(wait, look)) // without a pidfd, or if poll fails: no busy loop
	return false
}

// Close closes the pidfd. A second Close does nothing.
func (p *Process) Close() { p.file.Close() } // a nil file has an error for that
