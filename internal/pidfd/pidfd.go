// Package pidfd waits for the end of a process that need not be a child, and kills it, without ever mistaking another process
// for it that was given the same number.
//
// It can't help before Open: the caller must know that the number is still the process's own when it opens it.
package pidfd

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process that was found by its number.
type Process struct {
	pid  int
	file *os.File // a pidfd; nil where the kernel or a sandbox offers none
}

// Open finds the process with that number. The error is ESRCH when there is none.
func Open(pid int) (*Process, error) { return open(pid, unix.PidfdOpen) }

func open(pid int, pidfdOpen func(pid, flags int) (fd int, err error)) (*Process, error) {
	fd, err := pidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, err
	case err != nil: // a sandbox may not allow the call; without it a later process can be mistaken for this one
		return &Process{pid: pid}, nil
	}
	return &Process{pid: pid, file: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// PID returns the number.
func (p *Process) PID() int { return p.pid }

// Kill sends SIGKILL. It does nothing to a process that has ended, nor to the calling process itself.
func (p *Process) Kill() {
	switch {
	case p.pid == os.Getpid():
	case p.file == nil:
		unix.Kill(p.pid, unix.SIGKILL)
	default:
		unix.PidfdSendSignal(int(p.file.Fd()), unix.SIGKILL, nil, 0)
	}
}

// look is how often AwaitEnd looks for a process without a pidfd.
const look = time.Millisecond

// AwaitEnd blocks until the process has ended, at most for d, and reports whether it has. By then the process holds nothing
// any more: no lock, no port. The calling process counts as ended, since it can't wait for itself.
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

// ended reports whether the process has ended, and waits for that at most as long as it is told; it may return earlier.
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
	time.Sleep(min(wait, look)) // never a busy loop
	return false
}

// Close releases the pidfd.
func (p *Process) Close() { p.file.Close() } // a nil file has an error for that
