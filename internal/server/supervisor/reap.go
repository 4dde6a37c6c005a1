package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children are the processes that this one has started and waits for itself.
type children struct {
	mu   sync.Mutex // guards pids; held while a child is started, so that reap never sees one that isn't among them
	pids map[int]struct{}
}

// start starts a command and remembers its process.
func (c *children) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := cmd.Start()
	if err == nil {
		c.addLocked(cmd.Process.Pid)
	}
	return err
}

// add remembers a process that an earlier program of this process has started.
func (c *children) add(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(pid)
}

func (c *children) addLocked(pid int) {
	if c.pids == nil {
		c.pids = map[int]struct{}{}
	}
	c.pids[pid] = struct{}{}
}

// forget forgets a process that was waited for.
func (c *children) forget(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pids, pid)
}

// adopter reports whether the kernel makes this process the parent of orphans: it is pid 1, as in a container, or somebody has
// made it a subreaper.
func adopter() bool {
	if os.Getpid() == 1 {
		return true
	}
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0)
	return err == nil && is != 0
}

// reap waits for the orphans that have ended, such as what a plugin has started and left behind. It doesn't block. The processes
// that this one has started are left to whoever waits for them.
func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		// WNOWAIT: the first look takes nothing. A child of ours that has ended hides those after it; until the next beat it is gone.
		pid, err := ended()
		if err != nil || pid == 0 {
			return
		}
		if _, ours := c.pids[pid]; ours {
			return
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// ended returns the process ID of a child that has ended and that nobody has waited for, or 0 if there is none.
func ended() (pid int, err error) {
	var info unix.Siginfo
	for {
		err = unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	// The kernel's siginfo_t has the ID after three ints, which a union follows that is aligned like a pointer.
	const offset = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset))), err
}
