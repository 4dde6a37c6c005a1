package passing

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestPatient waits for another process that has the other end of a pipe and does nothing with it.
func TestPatient(t *testing.T) {
	r, w, err := Pipe("test")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	from, err := New(a)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := from.Send("pipe", r); err != nil {
		t.Fatal(err)
	}
	var text string
	files, err := to.Receive(&text)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	defer Close(files)
	if _, err := (Patient{files[0], time.Millisecond}).Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read from a pipe that has nothing: %v", err)
	}
	n, err := (Patient{w, time.Millisecond}).Write(make([]byte, 1<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 {
		t.Errorf("a write to a pipe that nobody reads: %d, %v", n, err)
	}
	if _, err := (Patient{files[0], time.Hour}).Read(make([]byte, 1)); err != nil {
		t.Errorf("a read from a pipe that has something: %v", err)
	}
}
