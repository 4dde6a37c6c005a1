package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/native"
)

// cancel cancels a deploy at each of its steps: the old generation serves on, nothing is refused permanently, and what was made is
// closed.
func cancel(s *scenario) {
	s.open(-1)
	for _, step := range []string{"New", "Stop", "Export", "Start"} {
		s.must(s.call("a"))
		before := s.calls("a")
		s.stepsOf("")
		onStep("a", step, "heedless")
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			s.await(step, func() bool { return s.count(step) > 0 })
			onStep("a", step, "")
			stop()
		}()
		_, err := s.Deploy(ctx, map[string]string{"a": s.images[1]})
		s.check(errors.Is(err, context.Canceled), "%s: the error is %v", step, err)
		s.check(s.serving("a") == 0 && s.calls("a") == before, "%s: %d serves, with %d calls", step, s.serving("a"), s.calls("a"))
		s.check(s.count("New") == s.count("Close"), "%s: %d instances made, %d closed", step, s.count("New"), s.count("Close"))
		s.check(s.Status().Plugins[0].Refused == nil, "%s: refused: %v", step, s.Status().Plugins[0].Refused)
	}
	s.must(s.Close(context.Background()))
}

// late has a New that returns long after its time: its instance is closed.
func late(s *scenario) {
	s.open(-1)
	s.openAll()
	s.stepsOf("")
	onStep("a", "New", "late")
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		s.await("New", func() bool { return s.count("New") > 0 })
		stop()
	}()
	_, err := s.Deploy(ctx, map[string]string{"a": s.images[1]})
	s.check(errors.Is(err, context.Canceled), "the error is %v", err)
	s.await("Close", func() bool { return s.count("Close") == 1 })
	s.must(s.Close(context.Background()))
}

// again gives a deploy up while its image is being opened, and orders it again at once: that waits for what goes on.
func again(s *scenario) {
	hold := filepath.Join(s.dir, "hold")
	s.must(os.Setenv("DRILL_INIT", hold))
	s.open(-1)
	s.must(os.WriteFile(hold, nil, 0o600))
	ctx, giveUp := context.WithCancel(context.Background())
	go func() {
		s.await("the opening", func() bool { return len(native.Opening()) == 1 })
		giveUp()
	}()
	_, err := s.Deploy(ctx, map[string]string{"a": s.images[1]})
	s.check(errors.Is(err, context.Canceled) && s.serving("a") == 0, "given up: %v", err)
	second := make(chan error, 1)
	go func() {
		_, err := s.deploy(map[string]string{"a": s.images[1]})
		second <- err
	}()
	select {
	case err := <-second:
		s.check(false, "it isn't waited for: %v", err)
	case <-time.After(time.Second):
	}
	s.must(os.Remove(hold))
	s.must(<-second)
	s.check(s.serving("a") == 1, "image %d serves", s.serving("a"))
	s.must(s.Close(context.Background()))
}
