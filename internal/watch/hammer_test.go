package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// TestHammer changes a path in every way there is, in random order and pace. After each round, someone who reads the file
// at every event must have read what was written last.
func TestHammer(t *testing.T) {
	inModes(t, func(t *testing.T, w *Watcher) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		top := t.TempDir()
		dir := filepath.Join(top, "current")
		path := filepath.Join(dir, "plugins/x.so")

		var lastRead [2]atomic.Pointer[string]
		read := func(i int) func(Event) {
			return func(Event) {
				if b, err := os.ReadFile(path); err == nil {
					s := string(b)
					lastRead[i].Store(&s)
				}
			}
		}
		_, err := w.File(path, read(0))
		must(t, err)
		_, err = w.Dir(filepath.Dir(path), isImage, read(1))
		must(t, err)

		generations := 0
		replace := func() string { // what current was before it is replaced
			generations++
			real := filepath.Join(top, fmt.Sprint("generation", generations))
			_ = os.MkdirAll(filepath.Join(real, "plugins"), 0o755)
			return real
		}
		ops := []func(){
			func() { _ = os.WriteFile(path, []byte("some"), 0o644) },
			func() { _ = os.Remove(path) },
			func() { _ = os.RemoveAll(dir) },
			func() { _ = os.Rename(dir, replace()+".away") },
			func() { _ = os.MkdirAll(filepath.Dir(path), 0o755) },
			func() { _ = os.RemoveAll(filepath.Dir(path)) },
			func() { _ = os.Symlink(replace(), dir) },
			func() {
				if fi, err := os.Lstat(dir); err == nil && fi.IsDir() {
					_ = os.RemoveAll(dir)
				}
				_ = os.Symlink(replace(), dir+".tmp")
				_ = os.Rename(dir+".tmp", dir)
			},
			func() { _ = os.Symlink(filepath.Join(replace(), "x.so"), path) },
			func() { time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) },
		}
		for round := range 40 {
			for range r.IntN(12) {
				ops[r.IntN(len(ops))]()
			}
			want := fmt.Sprintf("round %d of %s", round, t.Name())
			for os.WriteFile(path, []byte(want), 0o644) != nil {
				_ = os.RemoveAll(dir)
				_ = os.MkdirAll(filepath.Dir(path), 0o755)
			}
			for i, what := range []string{"file", "directory"} {
				for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
					if got := lastRead[i].Load(); got != nil && *got == want {
						break
					}
					if time.Now().After(end) {
						got := "nothing"
						if read := lastRead[i].Load(); read != nil {
							got = strconv.Quote(*read)
						}
						t.Fatalf("round %d: the watcher of the %s has read %s last", round, what, got)
					}
				}
			}
		}
	})
}
