package sinks

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sohost/sohost/abi/rows"
)

// TestFileLocked writes to a file that somebody else has locked, again and again: each write ends with an error that says who has it, status
// shows it, and one wait is left, however many writes there were. When the file is free the lock isn't kept by that wait, and rows are taken.
func TestFileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "points.lp")
	made, err := NewFile(FileOptions{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := made.(*file)
	s.patience = time.Millisecond // which passes as long as the lock is held
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := flock(other, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var b rows.Builder
	b.Row("t").Int("n", 1)
	tables := b.Tables()
	for range 5 {
		if err := s.Write(t.Context(), tables); err == nil || !strings.Contains(err.Error(), "has been locked by process ") {
			t.Fatalf("a write to a locked file: %v", err)
		}
	}
	if st := s.Status(); st.Failing.IsZero() || st.Attempts != 5 || st.Accepted != 0 {
		t.Errorf("status: %+v", st)
	}
	if n := strings.Count(stacks(), "sinks.(*locking).run("); n != 1 {
		t.Errorf("%d goroutines wait for the lock", n)
	}
	wait := s.locking
	if err := flock(other, unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	await(t, wait.over)
	if err := flock(other, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("nobody writes, and the file is locked: %v", err)
	}
	flock(other, unix.LOCK_UN)
	emit(t, s, 3)
	if st := s.Status(); !st.Failing.IsZero() || st.Stored != 3 {
		t.Errorf("status: %+v", st)
	}

	// A write that waits gets the lock as soon as it is free, and one that comes to wait meanwhile has the same end.
	s.patience = time.Hour
	if err := flock(other, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() { first <- s.Write(t.Context(), tables) }()
	for !strings.Contains(stacks(), "sinks.(*locking).await(") {
		runtime.Gosched()
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Write(gone, tables); err == nil {
		t.Error("a write behind another one that waits has no end")
	}
	if err := s.Close(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("an end that waits for a write: %v", err)
	}
	if err := flock(other, unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}

	// The end doesn't wait for the lock, which is free afterwards.
	s.patience = time.Millisecond
	if err := flock(other, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), tables); err == nil {
		t.Error("it was written")
	}
	wait = s.locking
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	flock(other, unix.LOCK_UN)
	await(t, wait.over)
	if err := flock(other, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("the sink is closed, and the file is locked: %v", err)
	}
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

func await(t *testing.T, over <-chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(30 * time.Second):
		t.Fatal("the wait for the lock has no end")
	}
}
