package main

import (
	"os"
	"path/filepath"
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
	var files sourceFiles
	watched := map[string]*watch.Target{dir: nil}
	for _, test := range []struct {
		name    string
		change  func()
		changed bool
	}{
		{"a file", func() { write("one") }, true},
		{"nothing", func() {}, false},
		{"the same text", func() { write("one") }, false},
		{"a text of the same length, in the same tick", func() { write("two") }, true},
		{"its times", func() { os.Chtimes(file, time.Now(), time.Now()) }, false},
		{"what an editor leaves", func() { os.WriteFile(file+"~", nil, 0o600) }, false},
		{"its name", func() { os.Rename(file, filepath.Join(dir, "y.go")) }, true},
		{"its end", func() { os.Remove(filepath.Join(dir, "y.go")) }, true},
	} {
		test.change()
		if got := files.read(watched); got != test.changed {
			t.Errorf("%s: changed is %t", test.name, got)
		}
	}
}
