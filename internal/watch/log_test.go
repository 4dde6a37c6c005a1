package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

// inModes runs a test with inotify and with polling: what a consumer sees must not depend on it.
func inModes(t *testing.T, f func(t *testing.T, w *Watcher)) {
	for _, mode := range []string{"inotify", "poll"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := New(Options{
				Settle:       15 * time.Millisecond,
				MaxSettle:    150 * time.Millisecond,
				PollInterval: 10 * time.Millisecond,
				ForcePoll:    mode == "poll",
			})
			t.Cleanup(func() { closeSoon(t, w) })
			f(t, w)
		})
	}
}

// closeSoon closes the watcher, which waits for a function that runs.
func closeSoon(t *testing.T, w *Watcher) {
	closed := make(chan struct{})
	go func() { w.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("Close has not returned: the function of a target still runs")
	}
}

// log collects the events of one target.
type log chan Event

func newLog() log { return make(log, 1000) }

// add never waits: Close would wait for it.
func (l log) add(ev Event) {
	select {
	case l <- ev:
	default: // who hasn't looked at a thousand events misses nothing by one more
	}
}

func (l log) next(t *testing.T) Event {
	t.Helper()
	select {
	case ev := <-l:
		return ev
	case <-time.After(patience):
		t.Fatal("no event")
		panic("unreachable")
	}
}

func (l log) none(t *testing.T) {
	t.Helper()
	select {
	case ev := <-l:
		t.Fatalf("event %+v, want none", ev)
	default:
	}
}

// until waits for an event after which ok is true.
func (l log) until(t *testing.T, ok func() bool) {
	t.Helper()
	for {
		l.next(t)
		if ok() {
			return
		}
	}
}

func watchFile(t *testing.T, w *Watcher, path string) (*Target, log) {
	t.Helper()
	l := newLog()
	target, err := w.File(path, l.add)
	if err != nil {
		t.Fatal(err)
	}
	return target, l
}

func watchDir(t *testing.T, w *Watcher, path string) (*Target, log) {
	t.Helper()
	l := newLog()
	target, err := w.Dir(path, isImage, l.add)
	if err != nil {
		t.Fatal(err)
	}
	return target, l
}

func isImage(name string) bool { return strings.HasSuffix(name, ".so") }

// flush returns when all that happened before has led to its events.
func flush(t *testing.T, w *Watcher) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sentinel")
	target, l := watchFile(t, w, path)
	defer target.Remove()
	// Twice: two targets that have settled at the same time are told in any order.
	for i := range 2 {
		write(t, path, fmt.Sprint("sentinel", strings.Repeat("!", i)))
		l.next(t)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// moveOver makes content the file at path by rename, as editors and installers do.
func moveOver(t *testing.T, path, content string) {
	t.Helper()
	tmp := path + ".tmp"
	write(t, tmp, content)
	must(t, os.Rename(tmp, path))
}

func link(t *testing.T, to, path string) {
	t.Helper()
	tmp := path + ".tmp"
	must(t, os.Symlink(to, tmp))
	must(t, os.Rename(tmp, path))
}

func reads(path, want string) func() bool {
	return func() bool {
		got, _ := os.ReadFile(path)
		return string(got) == want
	}
}

// drain takes the events that there are.
func (l log) drain() {
	for len(l) > 0 {
		<-l
	}
}
