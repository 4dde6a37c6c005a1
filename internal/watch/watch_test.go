package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
			t.Cleanup(w.Close)
			f(t, w)
		})
	}
}

// log collects the events of one target.
type log chan Event

func newLog() log { return make(log, 1000) }

func (l log) add(ev Event) { l <- ev }

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

func TestFileChanges(t *testing.T) {
	elsewhere := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "elsewhere")
		write(t, path, "new content")
		return path
	}
	changes := map[string]func(t *testing.T, path string){
		"write":      func(t *testing.T, path string) { write(t, path, "new content") },
		"move over":  func(t *testing.T, path string) { moveOver(t, path, "new content") },
		"link over":  func(t *testing.T, path string) { link(t, elsewhere(t), path) },
		"touch":      func(t *testing.T, path string) { must(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))) },
		"chmod":      func(t *testing.T, path string) { must(t, os.Chmod(path, 0o600)) },
		"make again": func(t *testing.T, path string) { must(t, os.Remove(path)); write(t, path, "new content") },
		"move in": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Rename(elsewhere(t), path))
		},
		"hard link": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Link(elsewhere(t), path))
		},
		"symbolic link": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink(elsewhere(t), path))
		},
		"link unnamed file": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_WRONLY, 0o644)
			must(t, err)
			f := os.NewFile(uintptr(fd), "unnamed")
			defer f.Close()
			_, err = f.WriteString("new content")
			must(t, err)
			must(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW))
		},
	}
	inModes(t, func(t *testing.T, w *Watcher) {
		for name, change := range changes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "x.so")
				write(t, path, "old")
				_, l := watchFile(t, w, path)
				_, d := watchDir(t, w, filepath.Dir(path))
				change(t, path)
				if ev := l.next(t); !reflect.DeepEqual(ev, Event{Path: path}) {
					t.Errorf("event %+v, want that of %s", ev, path)
				}
				if ev := d.next(t); !reflect.DeepEqual(ev, Event{Path: filepath.Dir(path), Names: []string{"x.so"}}) {
					t.Errorf("event %+v, want that of x.so", ev)
				}
			})
		}
	})
}

func TestNotThereYet(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a/b/x.so")
		_, l := watchFile(t, w, path)
		_, d := watchDir(t, w, filepath.Dir(path))
		flush(t, w)
		l.none(t)
		d.none(t)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		flush(t, w)
		l.none(t)
		write(t, path, "1")
		l.until(t, reads(path, "1"))
		d.until(t, reads(path, "1"))
		write(t, path, "22")
		l.until(t, reads(path, "22"))
		d.until(t, reads(path, "22"))
	})
}

func TestRemovalAloneIsNoEventOfAFile(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		path := filepath.Join(t.TempDir(), "x.so")
		write(t, path, "1")
		_, l := watchFile(t, w, path)
		_, d := watchDir(t, w, filepath.Dir(path))
		must(t, os.Remove(path))
		if ev := d.next(t); !reflect.DeepEqual(ev.Names, []string{"x.so"}) {
			t.Errorf("event %+v of the directory, want that of x.so", ev)
		}
		write(t, path, "1")
		d.next(t)
		l.next(t)
		must(t, os.Rename(path, filepath.Join(t.TempDir(), "away")))
		if ev := d.next(t); !reflect.DeepEqual(ev.Names, []string{"x.so"}) {
			t.Errorf("event %+v of the directory, want that of x.so", ev)
		}
		flush(t, w)
		l.none(t)
	})
}

func TestDirectoryMadeAgain(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprint("held=", held), func(t *testing.T) {
				build := filepath.Join(t.TempDir(), "build")
				path := filepath.Join(build, "plugins", "x.so")
				must(t, os.MkdirAll(filepath.Dir(path), 0o755))
				write(t, path, "0")
				_, l := watchFile(t, w, path)
				_, d := watchDir(t, w, filepath.Dir(path))
				for i := range 3 {
					if held {
						// As by a shell: the kernel keeps the removed directory and doesn't say that it is gone.
						f, err := os.Open(filepath.Dir(path))
						must(t, err)
						defer f.Close()
					}
					must(t, os.RemoveAll(build))
					if i == 1 {
						flush(t, w) // otherwise the new one is there before anyone has looked
					}
					content := strings.Repeat("n", i+1)
					must(t, os.MkdirAll(filepath.Dir(path), 0o755))
					write(t, path, content)
					l.until(t, reads(path, content))
					d.until(t, reads(path, content))
				}
			})
		}
	})
}

func TestEmptyDirectoryRemovedWhileHeld(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := filepath.Join(t.TempDir(), "plugins")
		must(t, os.Mkdir(dir, 0o755))
		_, d := watchDir(t, w, dir)
		f, err := os.Open(dir)
		must(t, err)
		defer f.Close()
		must(t, os.Remove(dir))
		flush(t, w)
		must(t, os.Mkdir(dir, 0o755))
		write(t, filepath.Join(dir, "x.so"), "1")
		d.until(t, reads(filepath.Join(dir, "x.so"), "1"))
	})
}

func TestAncestorRenamed(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a/b/c/x.so")
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		write(t, path, "1")
		_, l := watchFile(t, w, path)
		must(t, os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "away")))
		flush(t, w)
		l.none(t)
		write(t, filepath.Join(dir, "away/b/c/x.so"), "not ours any more")
		flush(t, w)
		l.none(t)
		must(t, os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "a")))
		l.until(t, reads(path, "not ours any more"))
		write(t, path, "2")
		l.until(t, reads(path, "2"))
	})
}

func TestSymbolicLinks(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		for _, release := range []string{"r1", "r2"} {
			must(t, os.MkdirAll(filepath.Join(dir, release, "plugins"), 0o755))
			write(t, filepath.Join(dir, release, "plugins/x.so"), release)
		}
		link(t, "r1", filepath.Join(dir, "current"))
		link(t, filepath.Join(dir, "current/plugins/x.so"), filepath.Join(dir, "x.so"))
		paths := map[string]log{}
		for _, path := range []string{"x.so", "current/plugins/x.so", "current/plugins/../../current/plugins/x.so"} {
			_, paths[path] = watchFile(t, w, dir+"/"+path)
		}
		must(t, os.Mkdir(filepath.Join(dir, "links"), 0o755))
		link(t, "../current/plugins/x.so", filepath.Join(dir, "links/x.so"))
		_, paths["links/x.so"] = watchDir(t, w, filepath.Join(dir, "links"))
		_, paths["current/plugins/x.so (dir)"] = watchDir(t, w, filepath.Join(dir, "current/plugins"))

		all := func(want string) {
			t.Helper()
			for path, l := range paths {
				l.until(t, reads(filepath.Join(dir, strings.TrimSuffix(path, " (dir)")), want))
			}
		}
		write(t, filepath.Join(dir, "r1/plugins/x.so"), "r1 changed")
		all("r1 changed")
		link(t, "r2", filepath.Join(dir, "current"))
		all("r2")
		flush(t, w)
		for _, l := range paths {
			for len(l) > 0 {
				<-l
			}
		}
		write(t, filepath.Join(dir, "r1/plugins/x.so"), "nobody's")
		flush(t, w)
		for path, l := range paths {
			if len(l) > 0 {
				t.Errorf("%s: event after a change of what it leads to no more", path)
			}
		}
		moveOver(t, filepath.Join(dir, "r2/plugins/x.so"), "r2 changed")
		all("r2 changed")
		must(t, os.Remove(filepath.Join(dir, "current")))
		flush(t, w)
		must(t, os.Symlink("r1", filepath.Join(dir, "current")))
		all("nobody's")
	})
}

func TestSymbolicLinkLoop(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.so")
		must(t, os.Symlink("y.so", path))
		must(t, os.Symlink("x.so", filepath.Join(dir, "y.so")))
		_, l := watchFile(t, w, path)
		_, d := watchDir(t, w, dir)
		moveOver(t, filepath.Join(dir, "y.so"), "at last")
		l.until(t, reads(path, "at last"))
		d.until(t, reads(path, "at last"))
	})
}

// TestKubernetesVolume swaps ..data as a kubelet does.
func TestKubernetesVolume(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		update := func(stamp, content string) {
			must(t, os.Mkdir(filepath.Join(dir, stamp), 0o755))
			write(t, filepath.Join(dir, stamp, "x.so"), content)
			link(t, stamp, filepath.Join(dir, "..data"))
		}
		update("..2026_01", "1")
		must(t, os.Symlink("..data/x.so", filepath.Join(dir, "x.so")))
		path := filepath.Join(dir, "x.so")
		_, l := watchFile(t, w, path)
		_, d := watchDir(t, w, dir)
		for i := range 3 {
			content := fmt.Sprint("content ", i)
			update(fmt.Sprint("..2026_02_", i), content)
			must(t, os.RemoveAll(filepath.Join(dir, "..2026_01")))
			l.until(t, reads(path, content))
			if ev := d.next(t); !reflect.DeepEqual(ev.Names, []string{"x.so"}) {
				t.Errorf("event %+v, want that of x.so", ev)
			}
		}
	})
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	w := New(Options{Settle: time.Millisecond})
	defer w.Close()
	_, l := watchFile(t, w, "build/x.so")
	must(t, os.Mkdir("build", 0o755))
	write(t, "build/x.so", "1")
	if ev := l.next(t); ev.Path != "build/x.so" {
		t.Errorf("event of %q, want the path as it was given", ev.Path)
	}
	if _, err := w.File("", l.add); err == nil {
		t.Error("the empty path was accepted")
	}
}

// TestSlowWriter keeps the file open for longer than what counts as quiet: nobody is to look at half of an image.
func TestSlowWriter(t *testing.T) {
	for _, existing := range []bool{false, true} {
		t.Run(fmt.Sprint("existing=", existing), func(t *testing.T) {
			t.Parallel()
			w := New(Options{Settle: time.Millisecond, MaxSettle: time.Minute})
			defer w.Close()
			path := filepath.Join(t.TempDir(), "x.so")
			if existing {
				write(t, path, "old")
			}
			_, l := watchFile(t, w, path)
			_, d := watchDir(t, w, filepath.Dir(path))
			f, err := os.Create(path)
			must(t, err)
			for range 10 {
				_, err := f.WriteString("piece ")
				must(t, err)
				flush(t, w)
			}
			flush(t, w)
			l.none(t)
			d.none(t)
			must(t, f.Close())
			l.until(t, reads(path, strings.Repeat("piece ", 10)))
			d.next(t)
			flush(t, w)
			l.none(t)
			d.none(t)
		})
	}
}

func TestIrregularFilesAreNoEvents(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		fifo, sub := filepath.Join(dir, "fifo.so"), filepath.Join(dir, "dir.so")
		_, l := watchFile(t, w, fifo)
		_, l2 := watchFile(t, w, sub)
		_, d := watchDir(t, w, dir)
		must(t, unix.Mkfifo(fifo, 0o644))
		must(t, os.Mkdir(sub, 0o755))
		watchDir(t, w, fifo) // must not block
		write(t, filepath.Join(sub, "x.so"), "1")
		write(t, filepath.Join(dir, "foreign.txt"), "1")
		flush(t, w)
		for _, l := range []log{l, l2, d} {
			l.none(t)
		}
		must(t, os.Remove(fifo))
		write(t, fifo, "a file now")
		l.until(t, reads(fifo, "a file now"))
	})
}

func TestSlowFunctionLosesNothing(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		entered, leave := make(chan Event), make(chan struct{})
		target, err := w.Dir(dir, isImage, func(ev Event) {
			entered <- ev
			<-leave
		})
		must(t, err)
		write(t, filepath.Join(dir, "a.so"), "1")
		<-entered
		// Each of these settles by itself, and none can be told.
		write(t, filepath.Join(dir, "c.so"), "1")
		awaitOut(t, target, "c.so")
		write(t, filepath.Join(dir, "b.so"), "1")
		awaitOut(t, target, "b.so c.so")
		leave <- struct{}{}
		if ev := <-entered; !reflect.DeepEqual(ev.Names, []string{"b.so", "c.so"}) {
			t.Errorf("event %+v, want one for both files", ev)
		}
		close(leave)
	})
}

// awaitOut returns when the event that waits to be delivered has the names.
func awaitOut(t *testing.T, target *Target, names string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var out string
		must(t, target.loop.do(func() {
			if target.out != nil {
				out = strings.Join(target.out.Names, " ")
			}
		}))
		switch {
		case out == names:
			return
		case time.Now().After(end):
			t.Fatalf("%q waits to be delivered, want %q", out, names)
		}
	}
}

func TestUseFromFunction(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		l := newLog()
		var first *Target
		registered := make(chan struct{})
		first, err := w.Dir(dir, isImage, func(ev Event) {
			<-registered
			if _, err := w.File(filepath.Join(dir, ev.Names[0]), l.add); err != nil {
				t.Error(err)
			}
			first.Remove()
			l.add(ev)
		})
		close(registered)
		must(t, err)
		write(t, filepath.Join(dir, "x.so"), "1")
		l.next(t)
		write(t, filepath.Join(dir, "x.so"), "22")
		if ev := l.next(t); ev.Path != filepath.Join(dir, "x.so") {
			t.Errorf("event %+v, want that of the file: the directory was removed", ev)
		}
	})
}

func TestRemoveAndClose(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		path := filepath.Join(t.TempDir(), "x.so")
		target, l := watchFile(t, w, path)
		target.Remove()
		target.Remove()
		write(t, path, "1")
		flush(t, w)
		l.none(t)
		last, _ := watchFile(t, w, path)
		w.Close()
		w.Close()
		last.Remove()
		if _, err := w.File(path, l.add); !errors.Is(err, ErrClosed) {
			t.Errorf("File on a closed watcher: %v, want ErrClosed", err)
		}
	})
}

func TestStatus(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		target, _ := watchFile(t, w, filepath.Join(t.TempDir(), "x.so"))
		want := Status{Mode: "inotify"}
		if strings.HasSuffix(t.Name(), "poll") {
			want = Status{Mode: "poll", Reason: "polling was asked for"}
		}
		if got := target.Status(); got != want {
			t.Errorf("status %+v, want %+v", got, want)
		}
	})
}
