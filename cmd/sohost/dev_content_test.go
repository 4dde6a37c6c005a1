package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/watch"
)

// TestSourceFiles reads a directory after changes that count and after some that don't.
func TestSourceFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.go")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := func(change func()) func() { // until the kernel's clock has ticked
		return func() {
			before, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			for ticked := false; !ticked; {
				change()
				after, err := os.Stat(file)
				if err != nil {
					t.Fatal(err)
				}
				ticked = after.Sys().(*syscall.Stat_t).Ctim != before.Sys().(*syscall.Stat_t).Ctim
			}
		}
	}
	var files sourceFiles
	watched := map[string]*watch.Target{dir: nil}
	for _, test := range []struct {
		name             string
		change           func()
		changed, written bool
	}{
		{"a file", func() { write("one") }, true, true},
		{"nothing", func() {}, false, false},
		{"the same text", again(func() { write("one") }), false, true},
		{"a text of the same length, in the same tick", func() { write("two") }, true, true},
		{"its times", again(func() { os.Chtimes(file, time.Now(), time.Now()) }), false, true},
		{"what an editor leaves", func() { os.WriteFile(file+"~", nil, 0o600) }, false, false},
		{"its name", func() { os.Rename(file, filepath.Join(dir, "y.go")) }, true, true},
		{"its end", func() { os.Remove(filepath.Join(dir, "y.go")) }, true, true},
	} {
		test.change()
		changed, written := files.read(watched)
		if changed != test.changed || written != test.written {
			t.Errorf("%s: changed is %t, written %t", test.name, changed, written)
		}
	}
}
