package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
