package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
	"golang.org/x/sys/unix"
)

// TestStateFileOdd reads files that are no whole states: one that was cut off is corrupt, and a pipe isn't waited for.
func TestStateFileOdd(t *testing.T) {
	dir := t.TempDir()
	var whole bytes.Buffer
	if err := state.Encode(&whole, abi.State{Schema: "s", Version: 1, Value: []map[string]int{{"a": 1}}}); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut")
	for n := range whole.Len() {
		if err := os.WriteFile(cut, whole.Bytes()[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (&stateFile{File: cut}).read(); err == nil || !strings.Contains(err.Error(), "corrupt") {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&stateFile{File: pipe}).read(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a pipe: %v", err)
	}
}

// TestForeign says what a file is that is no state. One that was cut off is still a state.
func TestForeign(t *testing.T) {
	for head, want := range map[string]string{
		"": "", "\xd9": "", "\xd9\xd9\xf7\x88": "", "\x7fELF\x02": "a program or a shared library", " {\"a\"": "JSON, such as what `sohost state export` writes",
		"hello": "a text", "\x00\x01": "something else",
	} {
		if got := foreign([]byte(head)); got != want {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
}
