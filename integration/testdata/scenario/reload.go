package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// giveBack deploys two plugins of which the second fails at its last step: what the first has begun must have ended before
// its old generation goes on.
func giveBack(s *scenario) {
	s.open(-1)
	for range 5 {
		s.must(s.call("a"))
	}
	for _, how := range []string{"fail", "panic", "heedless"} {
		s.stepsOf("")
		onStep("b", "Start", how)
		ctx, stop := context.WithCancel(context.Background())
		if how == "heedless" {
			go func() {
				s.await("Start of b", func() bool { return s.countOf("b", "Start") > 0 })
				stop()
			}()
		}
		_, err := s.Deploy(ctx, map[string]string{"a": s.images[1], "b": s.images[2]})
		stop()
		onStep("b", "Start", "")
		var refusal *sohost.Refusal
		s.check(errors.As(err, &refusal) && refusal.Phase == "start" && refusal.Plugin == "b", "Start %s: the error is %v", how, err)
		s.check(s.serving("a") == 0 && s.serving("b") == 0, "Start %s: %d and %d serve", how, s.serving("a"), s.serving("b"))
		var steps []string
		for _, step := range s.stepsOf("a") {
			steps = append(steps, strings.TrimPrefix(step, "a "))
		}
		old, next := s.short(0), s.short(1)
		want := []string{next + " New", old + " Stop", old + " Export", next + " Start", next + " Stop", next + " Close", old + " Start"}
		s.check(strings.Join(steps, ", ") == strings.Join(want, ", "), "Start %s: the steps of a are %q, want %q", how, steps, want)
		s.check(s.calls("a") == 5, "Start %s: a has %d calls, want 5", how, s.calls("a"))
	}
	s.must(s.Close(context.Background()))
}

// openAll opens all images, so that what comes later is quick.
func (s *scenario) openAll() {
	for _, image := range append(slices.Clone(s.images[1:]), s.images[0]) {
		_, err := s.deploy(map[string]string{"a": image, "b": image})
		s.must(err)
	}
	s.await("the retirement", func() bool { return s.count("New") == s.count("Close")+2 })
}

func (s *scenario) short(image int) string { return filepath.Base(s.images[image])[:4] }

// hammer reloads, rolls back, fails, cancels and takes checkpoints all at once, beside calls that are counted. Then the next
// host has to know the count.
func hammer(s *scenario) {
	s.keep = 3
	s.open(2 * time.Millisecond)
	s.openAll()
	var made [2]atomic.Int64
	var deployed, refused atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	repeats, err := strconv.Atoi(os.Getenv("REPEATS"))
	s.must(err)
	enough := int64(15 * repeats)
	go func() {
		s.await("enough reloads", func() bool { return deployed.Load() >= enough && refused.Load() >= enough })
		stop()
	}()
	var working sync.WaitGroup
	for i, name := range []string{"a", "b"} {
		for range 3 {
			working.Go(func() {
				for ctx.Err() == nil {
					s.must(s.call(name))
					made[i].Add(1)
				}
			})
		}
	}
	for worker := range 3 {
		working.Go(func() {
			rnd := rand.New(rand.NewPCG(5, uint64(worker)))
			image := func() string { return s.images[rnd.IntN(len(s.images))] }
			for ctx.Err() == nil {
				hasty, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(60))*time.Millisecond)
				var err error
				switch rnd.IntN(6) {
				case 0:
					_, err = s.Deploy(hasty, map[string]string{"a": image()})
				case 1:
					_, err = s.Deploy(hasty, map[string]string{"b": image(), "a": image()})
				case 2:
					_, err = s.deploy(map[string]string{"a": image(), "b": image()})
				case 3:
					_, err = s.Rollback(hasty, sohost.RollbackOptions{})
				case 4:
					step := []string{"Start", "Export", "Stop"}[rnd.IntN(3)]
					onStep("b", step, []string{"fail", "panic"}[rnd.IntN(2)])
					_, err = s.deploy(map[string]string{"a": image(), "b": image()})
					onStep("b", step, "")
				case 5:
					s.Status()
					_, err = s.Prune(generations.PruneOptions{Keep: 1})
				}
				cancel()
				if err != nil {
					refused.Add(1)
				} else {
					deployed.Add(1)
				}
			}
		})
	}
	working.Wait()
	check := func(when string) {
		for i, name := range []string{"a", "b"} {
			s.check(int64(s.calls(name)) == made[i].Load(), "%s %s has counted %d calls of %d", when, name, s.calls(name), made[i].Load())
		}
	}
	check("at the end")
	release := s.CurrentRelease()
	s.must(s.Close(context.Background()))
	s.check(s.count("New") == s.count("Close"), "%d instances made, %d closed", s.count("New"), s.count("Close"))
	s.open(-1) // no checkpoints: nor is one read
	s.check(s.CurrentRelease() == release, "boots release %d, want %d", s.CurrentRelease(), release)
	s.must(s.Close(context.Background()))
	s.open(time.Hour)
	check("after a restart")
	s.must(s.Close(context.Background()))
}

// retire looks at the memory of a generation that nobody uses any more, in one slot and then in the other one, too.
func retire(s *scenario) {
	s.open(-1)
	resident := func(image int) int64 {
		for _, im := range native.Opened() {
			if strings.HasPrefix(filepath.Base(im.Path()), s.short(image)) {
				m, err := im.Memory()
				s.must(err)
				return m.Resident
			}
		}
		return 0
	}
	warm := resident(0)
	_, err := s.deploy(map[string]string{"a": s.images[1]})
	s.must(err)
	warm1 := resident(1)
	_, err = s.deploy(map[string]string{"a": s.images[2]})
	s.must(err)
	cools := func(image int, warm int64) { // what never cools says why
		polls := 0
		s.await(fmt.Sprintf("the cooling of image %d", image), func() bool {
			is := resident(image)
			if polls++; polls == 1000 {
				fmt.Printf("of image %d %d bytes are resident, and %d were: %+v\n", image, is, warm, s.Status().Left)
			}
			return is < warm*3/4
		})
	}
	cools(1, warm1)
	s.check(resident(0) > warm*3/4, "%d of %d bytes are resident of an image that serves as b", resident(0), warm)
	_, err = s.deploy(map[string]string{"b": s.images[2]})
	s.must(err)
	cools(0, warm)
	s.must(s.call("a"))
	_, err = s.Rollback(context.Background(), sohost.RollbackOptions{To: 1})
	s.must(err)
	s.check(s.calls("a") == 1, "a has counted %d calls, want 1", s.calls("a"))
	s.must(s.Close(context.Background()))
}

// closeWhileBusy closes a host that has a call which doesn't return, a deploy that runs and one that waits.
func closeWhileBusy(s *scenario) {
	s.open(time.Hour)
	s.openAll()
	s.must(s.call("b"))
	held, release := make(chan struct{}), make(chan struct{})
	var calls sync.WaitGroup
	calls.Go(func() {
		s.must(s.Call(context.Background(), "a", func(abi.Instance) error { close(held); <-release; return nil }))
	})
	<-held
	s.stepsOf("")
	onStep("b", "New", "heedless")
	ctx, stop := context.WithCancel(context.Background())
	var deploys sync.WaitGroup
	deploys.Go(func() { s.Deploy(ctx, map[string]string{"b": s.images[1]}) })
	s.await("New", func() bool { return s.count("New") == 1 })
	deploys.Go(func() {
		_, err := s.deploy(map[string]string{"b": s.images[2]})
		s.check(errors.Is(err, sohost.ErrClosed), "a deploy that waits gets %v", err)
	})
	time.Sleep(50 * time.Millisecond) // until it waits; if not, it finds the host closed
	var closing sync.WaitGroup
	closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		time.AfterFunc(500*time.Millisecond, stop) // the deploy ends while the host is being closed, which a busy machine begins late
		err := s.Close(ctx)
		s.check(errors.Is(err, context.DeadlineExceeded), "Close with a call that doesn't return: %v", err)
	})
	deploys.Wait()
	closing.Wait()
	s.must(s.Close(context.Background())) // nothing left to do
	_, err := s.deploy(map[string]string{"a": s.images[1]})
	s.check(errors.Is(err, sohost.ErrClosed), "Deploy after Close: %v", err)
	s.check(errors.Is(s.call("a"), sohost.ErrClosed), "Call after Close: %v", s.call("a"))
	close(release)
	calls.Wait()
	onStep("b", "New", "")
	s.open(time.Hour)
	s.check(s.calls("b") == 1, "b has counted %d calls, want 1: its checkpoint doesn't depend on a", s.calls("b"))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	s.must(s.call("a"))
	s.must(s.Close(ended)) // there is nothing to wait for
	s.open(time.Hour)
	s.check(s.calls("a") == 1, "a has counted %d calls, want 1", s.calls("a"))
	s.must(s.Close(context.Background()))
}
