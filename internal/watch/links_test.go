package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

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
