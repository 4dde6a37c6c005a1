package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCalm: it isn't calm from a change until the functions of all targets have returned.
func TestCalm(t *testing.T) {
	w := New(Options{Settle: 20 * time.Millisecond})
	defer w.Close()
	dir := t.TempDir()
	called, goOn := make(chan string), make(chan struct{})
	for _, name := range []string{"a", "b"} {
		if _, err := w.File(filepath.Join(dir, name), func(e Event) { called <- e.Path; <-goOn }); err != nil {
			t.Fatal(err)
		}
	}
	isOver := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if !isOver(w.Calm()) {
		t.Error("it is not calm although nothing has changed")
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	<-called
	calm := w.Calm()
	goOn <- struct{}{}
	<-called
	if isOver(calm) || isOver(w.Calm()) {
		t.Error("it is calm although a function is running")
	}
	goOn <- struct{}{}
	<-calm
}
