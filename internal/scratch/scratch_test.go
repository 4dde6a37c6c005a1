package scratch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestNew removes the folder that a process has left which died, and none that is new, in use, or for another purpose.
func TestNew(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	used, remove, err := New("work")
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	at := func(name string) string { return filepath.Join(tmp, name) }
	for _, name := range []string{"work-dead", "work-new", "other-dead"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * staleAge)
	for _, dir := range []string{used, at("work-dead"), at("other-dead")} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	_, removeAnother, err := New("work")
	if err != nil {
		t.Fatal(err)
	}
	removeAnother()
	left, _ := filepath.Glob(at("*"))
	want := []string{used, at("work-new"), at("other-dead")}
	slices.Sort(want)
	if slices.Sort(left); !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	t.Setenv("TMPDIR", at("nowhere"))
	if dir, _, err := New("work"); err == nil || dir != "" {
		t.Errorf("where nothing can be made: %q, %v", dir, err)
	}
}
