package generations

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long a process may take to be gone that doesn't look as if it were ending. A server started in its place
	// immediately must not be told that the old one is still alive.
	grace = 100 * time.Millisecond

	// dying is the same for one that was killed or is exiting: on a busy machine, or with much memory to give back, that takes long.
	dying = 10 * time.Second
)

// alive reports whether a process runs and does not exit within the given time, or within dying if it is about to. Unlike kill(2),
// it counts a zombie as gone.
func alive(pid int, within time.Duration) bool {
	if pid <= 0 {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // no such process, or a sandbox that forbids the call
		return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	}
	defer unix.Close(fd)
	return !ends(fd, within) && (within == 0 || !isDying(pid) || !ends(fd, dying))
}

// ends waits for the end of a process, and reports whether it came in time.
func ends(pidfd int, within time.Duration) bool {
	for begin := time.Now(); ; {
		left := max(within-time.Since(begin), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if !errors.Is(err, unix.EINTR) || left == 0 {
			return false
		}
	}
}

// exiting is PF_EXITING, among the flags of a task.
const exiting = 0x4

// isDying reports whether a process has been killed or exits, and isn't gone yet.
func isDying(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS …; the name may contain anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) > 6 {
		flags, _ := strconv.ParseUint(fields[6], 10, 64)
		if fields[0] == "Z" || fields[0] == "X" || flags&exiting != 0 {
			return true
		}
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "SigPnd" || name == "ShdPnd" {
			pending, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if pending&(1<<(unix.SIGKILL-1)) != 0 {
				return true
			}
		}
	}
	return false
}
