package build

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestProcessCache reads a host again when its file is another one or has changed.
func TestProcessCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host")
	place := func() {
		t.Helper()
		next := file + ".next"
		write(t, next, string(must(os.ReadFile(hostFile(t)))))
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	place()
	var c processCache
	first := must(c.of(file))
	if again := must(c.of(file)); again != first {
		t.Error("the same file was read twice")
	}
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	second := must(c.of(file))
	if second == first {
		t.Error("a file that was written was not read again")
	}
	place()
	if third := must(c.of(file)); third == second {
		t.Error("another file was not read")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.of(file); err == nil {
		t.Error("there is a process of a file that is gone")
	}
}
