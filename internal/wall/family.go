package wall

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// markEnv is the environment variable by which processes are found that a child has started. Its value is another one for each child.
const markEnv = "SOHOST_PROBE_MARK"

// endFamily ends processes that have left the child's group. Where the child had a process namespace they ended with it, and where
// it had the filter it could start none; then nothing is searched.
func (c *child) endFamily() {
	if Holds(c.all()) {
		return
	}
	mark := []byte(c.mark + "\x00")
	for range 10 { // one that is found may start another meanwhile
		found := false
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || pid == c.cmd.Process.Pid {
				continue
			}
			text, err := os.ReadFile("/proc/" + e.Name() + "/environ") // fails for other users' processes
			if err == nil && bytes.Contains(append(text, 0), mark) {
				found = end(pid) || found
			}
		}
		if !found {
			return
		}
	}
}

// endTime is how long, in milliseconds, a process may take to end once it was killed.
const endTime = 2000

// end kills a process that isn't a child of this one, and waits for its end. It reports whether there was one.
func end(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return syscall.Kill(pid, syscall.SIGKILL) == nil
	}
	defer unix.Close(fd)
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
		return false
	}
	ignoringInterrupts(func() (int, error) { return unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, endTime) })
	return true
}
