package integration

import (
	"bufio"
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

// proc is a process as the kernel tells of it.
type proc struct {
	pid, parent int
	zombie      bool
}

// procs are the processes that match, of all that this user may see.
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

// children are a process's children that live.
func children(pid int) (pids []int) {
	for _, p := range procs(func(p proc) bool { return p.parent == pid && !p.zombie }) {
		pids = append(pids, p.pid)
	}
	return pids
}

// zombies are a process's children that it hasn't waited for.
func zombies(pid int) []proc {
	return procs(func(p proc) bool { return p.parent == pid && p.zombie })
}

// strays are the live processes in the place that are neither the server nor come from it: every process of a server has
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

// anyEnded is closed when one of the processes has ended, by pidfd_open(2); at once if one is gone already.
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

// journal takes the lines that processes write into a named pipe.
type journal struct {
	pipe *os.File

	mu    sync.Mutex // guards what follows
	lines []string
	woken chan struct{} // closed and replaced with each line
}

// newJournal makes the pipe. It is gone with the test.
func newJournal(t testing.TB, file string) *journal {
	t.Helper()
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(file, os.O_RDWR, 0) // for writing, too: so it has no end while nobody else writes
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{pipe: pipe, woken: make(chan struct{})}
	t.Cleanup(func() { pipe.Close() })
	go func() {
		for s := bufio.NewScanner(pipe); s.Scan(); {
			j.mu.Lock()
			j.lines = append(j.lines, s.Text())
			close(j.woken)
			j.woken = make(chan struct{})
			j.mu.Unlock()
		}
	}()
	return j
}

// since are the lines from a mark on, the mark of their end, and what is closed with the next line.
func (j *journal) since(mark int) (lines []string, end int, next <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines[mark:]), len(j.lines), j.woken
}

// look is how often a state is looked at that nobody tells of.
const look = 2 * time.Millisecond

// awaitThat waits until something is so and returns how long that took.
func awaitThat(t testing.TB, what string, limit time.Duration, is func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !is() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(look)
	}
	return time.Since(begin)
}
