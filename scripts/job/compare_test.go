package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadStored reads rows while they are written: two windows of a series, one of which is emitted again.
func TestReadStored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stored.lp")
	if sums, err := readStored(file); err != nil || len(sums) != 0 {
		t.Errorf("no file: %v, %v", sums, err)
	}
	rows := []string{
		"cpu_1s,cpu=cpu0 busy_count=2i,busy_sum=7i 1000\n",
		"cpu_1s,cpu=cpu0 busy_count=1i,busy_sum=5i 2000\n",
		"cpu_1s,cpu=cpu0 busy_count=3i,busy_sum=9i 1000\n",
	}
	text := strings.Join(rows, "")
	wants := []total{{}, {2, 7}, {3, 12}, {4, 14}}
	for n := range len(text) + 1 {
		if err := os.WriteFile(file, []byte(text[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		want := wants[strings.Count(text[:n], "\n")]
		if sums, err := readStored(file); err != nil || sums["cpu"] != want || len(sums) > 1 {
			t.Errorf("%d of %d bytes: %v, %v; want %v", n, len(text), sums, err, want)
		}
	}
	if err := os.WriteFile(file, []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if sums, err := readStored(file); err == nil {
		t.Errorf("a line that is none: %v", sums)
	}
}
