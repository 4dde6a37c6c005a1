package watch

import (
	"bytes"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// mountTable lists what is mounted where. The kernel wakes those who poll it when that changes.
const mountTable = "/proc/self/mountinfo"

// mounts tells of changes of what is mounted where, which inotify doesn't report.
type mounts struct {
	file    *os.File // read through the runtime's poller: waiting takes no thread
	changed chan struct{}
	done    chan struct{}
	reading sync.WaitGroup
}

// watchMounts returns nil if the kernel doesn't tell.
func watchMounts() *mounts {
	f, err := os.Open(mountTable)
	if err != nil {
		return nil
	}
	m := &mounts{file: f, changed: make(chan struct{}), done: make(chan struct{})}
	before := m.table()
	m.reading.Go(func() { m.read(before) })
	return m
}

func (m *mounts) table() []byte {
	text, err := io.ReadAll(io.NewSectionReader(m.file, 0, 1<<30))
	if err != nil {
		return nil
	}
	return text
}

// read sends to changed when the table isn't what it was before. That is looked at after the poller was told that it will be waited for, so
// that no change gets lost in between.
func (m *mounts) read(before []byte) {
	raw, err := m.file.SyscallConn()
	for err == nil {
		err = raw.Read(func(uintptr) bool {
			now := m.table()
			differs := !bytes.Equal(before, now)
			before = now
			return differs
		})
		if err != nil {
			return // closed, or the kernel doesn't tell
		}
		select {
		case m.changed <- struct{}{}:
		case <-m.done:
			return
		}
	}
}

func (m *mounts) close() {
	close(m.done)
	m.file.Close()
	m.reading.Wait()
}

// mounted looks at all targets after something was mounted or unmounted. Those whose path has changed its meaning are armed again.
func (l *loop) mounted(now time.Time) {
	for t := range l.targets {
		if t.polled {
			continue // what is at the path is looked at anyway
		}
		points, err := t.points()
		moved := err != nil || !slices.Equal(points, t.armed)
		for _, p := range points {
			moved = moved || l.src.serves(p) != nil
		}
		if moved {
			l.touch(t, t.base, signature{}, now)
			l.stale[t] = struct{}{}
		}
	}
}
