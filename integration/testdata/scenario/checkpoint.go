package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/abi"
	"golang.org/x/sys/unix"
)

// held has a call that doesn't return. Checkpoints are given up for it soon, so that others hardly wait; a plugin that lets
// its state be exported beside its handlers has no such trouble.
func held(s *scenario) {
	s.open(20 * time.Millisecond)
	// Images that are opened from now on say that their state can be exported at any time.
	os.Setenv("DRILL_CONCURRENT", "yes")
	_, err := s.deploy(map[string]string{"b": s.images[1]})
	s.must(err)
	release := make(chan struct{})
	var calls sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		entered := make(chan struct{})
		calls.Go(func() {
			s.must(s.Call(context.Background(), name, func(abi.Instance) error { close(entered); <-release; return nil }))
		})
		<-entered
	}
	s.must(s.call("b"))
	checkpoint := filepath.Join(s.dir, "store", "state", "b.cbor")
	for range 2 { // the first may have been begun before the call
		before, _ := os.Stat(checkpoint)
		s.await("a checkpoint of b", func() bool {
			now, err := os.Stat(checkpoint)
			return err == nil && (before == nil || !os.SameFile(before, now))
		})
	}
	for range 10 {
		begin := time.Now()
		s.must(s.call("a"))
		s.check(time.Since(begin) < 4*time.Second, "a call of a took %v", time.Since(begin)) // of 5 s a tenth would do on a fast machine
	}
	_, err = s.deploy(map[string]string{"b": s.images[2]})
	s.must(err)
	s.check(s.serving("b") == 2 && s.calls("b") == 1, "%d serves as b with %d calls, want 2 with 1", s.serving("b"), s.calls("b"))
	close(release)
	calls.Wait()

	// With a file in the place of the directory no checkpoint can be written; calls go on.
	state := filepath.Join(s.dir, "store", "state")
	s.must(os.WriteFile(state+"~", nil, 0o644))
	s.must(unix.Renameat2(unix.AT_FDCWD, state, unix.AT_FDCWD, state+"~", unix.RENAME_EXCHANGE)) // at once: a checkpoint makes the directory
	s.stepsOf("")
	s.await("two exports", func() bool { return s.count("Export") > 4 })
	s.must(s.call("a"))
	err = s.Close(context.Background())
	s.check(err != nil && strings.Contains(err.Error(), "plugin a: checkpoint"), "Close gives %v", err)
	s.must(os.Remove(state))
	s.must(os.Rename(state+"~", state))
	s.open(time.Hour)
	s.check(s.calls("b") == 1, "b has counted %d calls, want 1", s.calls("b"))
	s.must(s.Close(context.Background()))
}

// restore has a checkpoint that the image can't take: nothing serves and nothing is overwritten until one comes that can.
func restore(s *scenario) {
	s.open(time.Hour)
	s.must(s.call("a"))
	s.must(s.Close(context.Background()))
	s.must(os.RemoveAll(filepath.Join(s.dir, "real", "releases"))) // which name the first image
	s.must(os.Remove(filepath.Join(s.dir, "real", "current")))
	os.Setenv("DRILL_VERSION", "2")
	s.install(s.images[1], "a")
	s.open(time.Millisecond)
	var refused *sohost.Refusal
	for _, p := range s.Status().Plugins {
		if p.Name == "a" {
			refused = p.Refused
		}
	}
	s.check(refused != nil && refused.Phase == "state" && refused.Serves.IsZero(), "refused is %v", refused)
	_, err := s.deploy(map[string]string{"a": s.images[0]})
	s.must(err)
	s.check(s.calls("a") == 1, "a has counted %d calls, want 1", s.calls("a"))
	s.must(s.Close(context.Background()))
}
