package sohost

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a handover.
type peer struct {
	pid int
	fd  int // a pidfd, which stays that process's when its number is given to another; -1 where there are none
}

// openPeer finds a process. One that is gone is an error.
func openPeer(pid int) (*peer, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, err
	}
	if err != nil { // a sandbox may not allow the call
		fd = -1
	}
	return &peer{pid: pid, fd: fd}, nil
}

func (p *peer) kill() {
	if p.fd < 0 {
		unix.Kill(p.pid, unix.SIGKILL)
		return
	}
	unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0)
}

// awaitEnd says whether the process has ended within d. By then it holds nothing any more: no lock, no port.
func (p *peer) awaitEnd(d time.Duration) bool {
	if p.pid == os.Getpid() { // both ends are in one process, which isn't to wait for its own end, nor to kill itself
		return true
	}
	const look = time.Millisecond
	for deadline := time.Now().Add(d); ; {
		left := max(time.Until(deadline), 0)
		if p.fd < 0 {
			if errors.Is(unix.Kill(p.pid, 0), unix.ESRCH) {
				return true
			}
			time.Sleep(min(left, look))
		} else if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(left.Milliseconds())); n > 0 {
			return true
		}
		if left == 0 {
			return false
		}
	}
}

func (p *peer) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}
