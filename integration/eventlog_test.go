package integration

import (
	"bufio"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// eventLog collects the lines that processes write into a named pipe.
type eventLog struct {
	pipe *os.File

	mu    sync.Mutex // guards what follows
	lines []string
	woken chan struct{} // closed and replaced with each line
}

// newEventLog makes the pipe, which is gone with the test.
func newEventLog(t testing.TB, file string) *eventLog {
	t.Helper()
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(file, os.O_RDWR, 0) // for writing, too: so it has no end while nobody else writes
	if err != nil {
		t.Fatal(err)
	}
	e := &eventLog{pipe: pipe, woken: make(chan struct{})}
	t.Cleanup(func() { pipe.Close() })
	go func() {
		for s := bufio.NewScanner(pipe); s.Scan(); {
			e.mu.Lock()
			e.lines = append(e.lines, s.Text())
			close(e.woken)
			e.woken = make(chan struct{})
			e.mu.Unlock()
		}
	}()
	return e
}

// since returns the lines from a mark on, the mark of their end, and a channel that is closed with the next line.
func (e *eventLog) since(mark int) (lines []string, end int, next <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines[mark:]), len(e.lines), e.woken
}
