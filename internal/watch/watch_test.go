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

func TestIrregularFiles(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		fifo, sub := filepath.Join(dir, "fifo.so"), filepath.Join(dir, "dir.so")
		_, l := watchFile(t, w, fifo)
		_, l2 := watchFile(t, w, sub)
		_, d := watchDir(t, w, dir)
		must(t, unix.Mkfifo(fifo, 0o644))
		must(t, os.Mkdir(sub, 0o755))
		watchDir(t, w, fifo) // must not block
		for _, l := range []log{l, l2, d} {
			l.next(t)
		}
		flush(t, w)
		for _, l := range []log{l, l2, d} {
			l.drain()
		}
		write(t, filepath.Join(sub, "x.so"), "1") // what happens inside is no news
		write(t, filepath.Join(dir, "foreign.txt"), "1")
		flush(t, w)
		for _, l := range []log{l, l2, d} {
			l.none(t)
		}
		must(t, os.Remove(fifo))
		write(t, fifo, "a file now")
		l.until(t, reads(fifo, "a file now"))
		must(t, os.RemoveAll(sub))
		write(t, sub, "a file now")
		l2.until(t, reads(sub, "a file now"))
	})
}

func TestSlowFunctionLosesNothing(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		dir := t.TempDir()
		entered, leave := make(chan Event), make(chan struct{})
		// However the test ends, the function does: Close waits for it.
		over := make(chan struct{})
		defer close(over)
		target, err := w.Dir(dir, isImage, func(ev Event) {
			select {
			case entered <- ev:
			case <-over:
			}
			select {
			case <-leave:
			case <-over:
			}
		})
		must(t, err)
		// By rename: a busy machine can hold a writer up between two steps of a write for so long that each is an event.
		moveOver(t, filepath.Join(dir, "a.so"), "1")
		log(entered).next(t)
		// Each of these settles by itself, and none can be told.
		moveOver(t, filepath.Join(dir, "c.so"), "1")
		awaitOut(t, target, "c.so")
		moveOver(t, filepath.Join(dir, "b.so"), "1")
		awaitOut(t, target, "b.so c.so")
		leave <- struct{}{}
		if ev := log(entered).next(t); !reflect.DeepEqual(ev.Names, []string{"b.so", "c.so"}) {
			t.Errorf("event %+v, want one for both files", ev)
		}
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
			want = Status{Mode: "poll", Reason: "polling is configured"}
		}
		if got := target.Status(); got != want {
			t.Errorf("status %+v, want %+v", got, want)
		}
	})
}
