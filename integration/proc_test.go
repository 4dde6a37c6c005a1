package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// proc is a process as the kernel shows it.
type proc struct {
	pid, parent int
	zombie      bool
}

// procs returns the processes that match, of all that this user may see.
func procs(match func(proc) bool) (found []proc) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		// pid (name) state parent …, where the name may be anything
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		p := proc{zombie: fields[0] == "Z" || fields[0] == "X"}
		p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		p.parent, _ = strconv.Atoi(fields[1])
		if match(p) {
			found = append(found, p)
		}
	}
	return found
}

// children returns the live children of a process.
func children(pid int) (pids []int) {
	for _, p := range procs(func(p proc) bool { return p.parent == pid && !p.zombie }) {
		pids = append(pids, p.pid)
	}
	return pids
}

// zombies returns the children of a process that it hasn't waited for.
func zombies(pid int) []proc {
	return procs(func(p proc) bool { return p.parent == pid && p.zombie })
}

// strays returns the live processes in the place that are neither the server nor come from it: every process of a server has
// the directory that its supervisor was started in.
func (p place) strays(server int) (pids []int) {
	here := procs(func(q proc) bool {
		dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", q.pid))
		return err == nil && dir == p.dir && !q.zombie
	})
	family := []int{server}
	for grown := 0; grown < len(family); {
		grown = len(family)
		for _, q := range here {
			if slices.Contains(family, q.parent) && !slices.Contains(family, q.pid) {
				family = append(family, q.pid)
			}
		}
	}
	for _, q := range here {
		if !slices.Contains(family, q.pid) {
			pids = append(pids, q.pid)
		}
	}
	return pids
}

// openFiles counts a process's open files.
func openFiles(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// anyEnded returns a channel that is closed when one of the processes has ended, at once if one is gone already.
func anyEnded(pids ...int) <-chan struct{} {
	ended := make(chan struct{})
	var once sync.Once
	for _, pid := range pids {
		go func() { // until the process ends
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				for err = unix.EINTR; err == unix.EINTR; {
					_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
				}
				unix.Close(fd)
			}
			once.Do(func() { close(ended) })
		}()
	}
	return ended
}

// look is how often a state is polled that has no event.
const look = 2 * time.Millisecond

// awaitThat waits until something is so.
func awaitThat(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(look) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
