package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// turns is how often the loop has been woken.
func turns(w *Watcher) (n int) {
	_ = w.loop.do(func() { n = w.loop.turns })
	return n
}

// TestAtRest lets a day pass: a watcher that is served by inotify is not woken once.
func TestAtRest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := start(Options{}, newKernel().source())
		defer w.Close()
		for i := range 10 {
			watchFile(t, w, filepath.Join(dir, fmt.Sprint("there is none/", i)))
			watchDir(t, w, dir)
		}
		before := turns(w)
		time.Sleep(24 * time.Hour)
		if n := turns(w) - before - 1; n != 0 {
			t.Errorf("woken %d times in a day without a change", n)
		}
	})
}

// TestDeafToNoise asks the kernel what it would report: much happens in the directories above an image, /tmp for one, that
// is to wake nobody.
func TestDeafToNoise(t *testing.T) {
	n, err := openInotify()
	must(t, err)
	w := start(Options{Settle: time.Millisecond}, n.source())
	defer w.Close()
	dir := filepath.Join(t.TempDir(), "build/plugins")
	_, l := watchFile(t, w, filepath.Join(dir, "x.so"))
	must(t, os.MkdirAll(dir, 0o755))
	write(t, filepath.Join(dir, "x.so"), "1")
	l.next(t)
	flush(t, w) // the file may be seen before the records about its directories
	must(t, w.loop.do(func() {
		masks := n.masks(t)
		for wd, d := range w.loop.dirs {
			want := uint32(maskMoved)
			switch d.path {
			case dir:
				want = maskChange
			case filepath.Dir(dir):
				want = maskGone
			}
			if masks[wd] != want {
				t.Errorf("%s is watched for %#x, want %#x", d.path, masks[wd], want)
			}
		}
		if len(masks) != len(w.loop.dirs) {
			t.Errorf("%d watches, want %d", len(masks), len(w.loop.dirs))
		}
	}))
}

// TestNarrowReplaced has a directory made anew in the place of one that is watched for more than is needed, before the watcher has heard
// of it. To watch the old one for less must not take from the new one what it needs. In which order they come is random.
func TestNarrowReplaced(t *testing.T) {
	n, err := openInotify()
	must(t, err)
	w := start(Options{Settle: time.Millisecond}, n.source())
	defer w.Close()
	for round := range 100 {
		dir := filepath.Join(t.TempDir(), "plugins")
		must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
		file, l := watchFile(t, w, filepath.Join(dir, "x.so"))
		other, _ := watchFile(t, w, filepath.Join(dir, "sub/x.so")) // needs less of dir
		must(t, w.loop.do(func() {
			must(t, os.RemoveAll(dir))
			must(t, os.Mkdir(dir, 0o755))
			w.loop.arm(file)
			masks := n.masks(t)
			for wd := range file.claims {
				if d := w.loop.dirs[wd]; masks[wd]&d.needs() != d.needs() {
					t.Errorf("round %d: %s is watched for %#x, want %#x", round, d.path, masks[wd], d.needs())
				}
			}
		}))
		write(t, filepath.Join(dir, "x.so"), "1")
		l.next(t)
		file.Remove()
		other.Remove()
	}
}

// masks returns what the kernel watches for, by watch descriptor.
func (n *inotify) masks(t *testing.T) map[int32]uint32 {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", n.fd))
	must(t, err)
	masks := make(map[int32]uint32)
	for line := range strings.Lines(string(info)) {
		var wd int32
		var mask uint32
		var ino, sdev uint64
		if _, err := fmt.Sscanf(line, "inotify wd:%x ino:%x sdev:%x mask:%x", &wd, &ino, &sdev, &mask); err == nil {
			masks[wd] = mask & unix.IN_ALL_EVENTS
		}
	}
	return masks
}

func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.so")
	write(t, path, "1")
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		w := start(Options{}, k.source())
		defer w.Close()
		_, l := watchFile(t, w, path)
		_, d := watchDir(t, w, dir)
		_, none := watchFile(t, w, filepath.Join(dir, "there is none"))
		k.events <- []record{{wd: -1, mask: unix.IN_Q_OVERFLOW}}
		time.Sleep(time.Second)
		l.next(t)
		if ev := d.next(t); ev.Names != nil {
			t.Errorf("event %+v of the directory, want no names: any entry may have been changed", ev)
		}
		none.none(t)

		// What was lost may have made another way for the path.
		_, l = watchFile(t, w, filepath.Join(dir, "sub/x.so"))
		must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		k.events <- []record{{wd: -1, mask: unix.IN_Q_OVERFLOW}}
		time.Sleep(time.Second)
		l.none(t)
		write(t, filepath.Join(dir, "sub/x.so"), "1")
		k.report(filepath.Join(dir, "sub/x.so"), unix.IN_CLOSE_WRITE)
		time.Sleep(time.Second)
		l.next(t)
	})
}

// TestChangeWhileArming makes a directory in the moment between finding that it isn't there and watching the one above.
func TestChangeWhileArming(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins/x.so")
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		k.adding = func(string) { _ = os.Mkdir(filepath.Dir(path), 0o755) }
		w := start(Options{}, k.source())
		defer w.Close()
		target, l := watchFile(t, w, path)
		if s := target.Status(); s.Mode != "inotify" {
			t.Errorf("status %+v, want inotify", s)
		}
		write(t, path, "1")
		k.report(path, unix.IN_CLOSE_WRITE)
		time.Sleep(time.Second)
		l.next(t)

		// A path that is never the same twice is not worth more than polling.
		other := filepath.Join(filepath.Dir(path), "other")
		n := 0
		must(t, w.loop.do(func() {
			k.adding = func(string) {
				n++
				_ = os.Remove(other)
				_ = os.Mkdir(fmt.Sprint(other, n), 0o755)
				_ = os.Symlink(fmt.Sprint(other, n), other)
			}
		}))
		target, _ = watchFile(t, w, filepath.Join(other, "x.so"))
		if s := target.Status(); s.Mode != "poll" {
			t.Errorf("status %+v, want poll", s)
		}
	})
}

func TestPolledWhereInotifyCannotServe(t *testing.T) {
	failures := map[string]func(k *kernel, err error){
		"no more watches":     func(k *kernel, err error) { k.err = err },
		"network file system": func(k *kernel, err error) { k.served = err },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.so")
			synctest.Test(t, func(t *testing.T) {
				k := newKernel()
				w := start(Options{}, k.source())
				defer w.Close()
				fail(k, errors.New("the reason"))
				target, l := watchFile(t, w, path)
				if s := target.Status(); s != (Status{Mode: "poll", Reason: "the reason"}) {
					t.Errorf("status %+v, want poll with the reason", s)
				}
				write(t, path, "1")
				time.Sleep(10 * time.Second)
				l.next(t)

				must(t, w.loop.do(func() { k.err, k.served = nil, nil }))
				write(t, path, "22")
				time.Sleep(10 * time.Second)
				l.next(t)
				if s := target.Status(); s != (Status{Mode: "inotify"}) {
					t.Errorf("status %+v after the change that followed the cure, want inotify", s)
				}
				before := turns(w)
				time.Sleep(time.Hour)
				if n := turns(w) - before - 1; n != 0 {
					t.Errorf("woken %d times in an hour: still polled", n)
				}
			})
		})
	}
}

func TestSourceLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.so")
	write(t, path, "1")
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		w := start(Options{}, k.source())
		defer w.Close()
		target, l := watchFile(t, w, path)
		close(k.events)
		time.Sleep(10 * time.Second)
		l.next(t) // what has happened last is not known
		if s := target.Status(); s.Mode != "poll" {
			t.Errorf("status %+v, want poll", s)
		}
		write(t, path, "22")
		time.Sleep(10 * time.Second)
		l.next(t)
	})
}

// TestWatchesAreGivenBack asks the kernel.
func TestWatchesAreGivenBack(t *testing.T) {
	n, err := openInotify()
	must(t, err)
	w := start(Options{Settle: time.Millisecond}, n.source())
	defer w.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "a/b/c/x.so")
	var targets []*Target
	for range 3 {
		target, l := watchFile(t, w, path)
		targets = append(targets, target)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		write(t, path, "1")
		l.next(t)
		target, _ = watchDir(t, w, filepath.Dir(path))
		targets = append(targets, target)
		must(t, os.RemoveAll(filepath.Join(dir, "a")))
	}
	if len(n.masks(t)) == 0 {
		t.Error("no watches: nothing is tested")
	}
	for _, target := range targets {
		target.Remove()
	}
	if got := n.masks(t); len(got) != 0 {
		t.Errorf("%d watches left without a target", len(got))
	}
	must(t, w.loop.do(func() {
		if len(w.loop.dirs)+len(w.loop.targets)+len(w.loop.ready) != 0 {
			t.Errorf("left: %d directories, %d targets, %d events", len(w.loop.dirs), len(w.loop.targets), len(w.loop.ready))
		}
	}))
}
