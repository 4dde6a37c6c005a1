package sohost

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHandoverFirst asks for a handover while one reload runs, others wait for it and still others begin. The handover waits for the
// one that runs, and goes before all others.
func TestHandoverFirst(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1", "c1")
	r.wants("/b", "b1 1")
	running, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once // the taker opens it, too
	w.fail("b2 open", func(context.Context) error { once.Do(func() { close(running) }); <-goOn; return nil })
	w.fail("b2 Export", func(context.Context) error { // once: the reload that waits may go on before the handover's error is here
		w.fail("b2 Export", nil)
		return errFault
	}) // so that the handover fails, and the reloads can go on
	var reloads sync.WaitGroup
	deploy := func(images ...string) {
		files := map[string]string{}
		for _, image := range images {
			files[image[:1]] = w.file(image[:1], image)
		}
		reloads.Go(func() {
			if _, err := r.Deploy(context.Background(), files); err != nil {
				t.Errorf("deploy of %s: %v", images, err)
			}
		})
	}
	deploy("b2")
	<-running
	deploy("a2", "b3") // holds a, and waits for b
	a, _ := r.plugin("a")
	eventually(t, "it has a", func() bool { return len(a.owner) == 0 })
	given := make(chan error, 1)
	go func() {
		_, _, err, _ := r.handover(context.Background(), lock, GiveOptions{})
		given <- err
	}()
	eventually(t, "the handover has the turn", func() bool {
		r.turnstile.mu.Lock()
		defer r.turnstile.mu.Unlock()
		return r.turnstile.asking == 1 && !r.adding.TryLock()
	})
	deploy("c2")
	w.done()
	close(goOn)
	if err := <-given; err == nil || !strings.Contains(err.Error(), "fault") {
		t.Errorf("the handover ends with %v", err)
	}
	reloads.Wait()
	all := w.done()
	for _, later := range []string{"a2 open", "b3 open", "c2 open"} {
		if i := strings.Index(all, later); i < strings.Index(all, "b2 Export") {
			t.Errorf("%s comes before the handover, or never, in %s", later, all)
		}
	}
	r.wants("/a", "a2 1")
}

// TestHandoverInStorm hands over while every plugin is reloaded all the time.
func TestHandoverInStorm(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1", "c1", "d1")
	var storm sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		for _, image := range []string{"2", "3"} {
			file := w.file(name+image, name+image)
			storm.Go(func() {
				for {
					if _, err := r.Deploy(context.Background(), map[string]string{name: file}); errors.Is(err, ErrHandedOver) {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	eventually(t, "the storm blows", func() bool { return r.CurrentRelease() > 8 })
	_, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	storm.Wait()
}

// TestTurnstile has a reload give up while it waits for a handover, and another while two handovers wait.
func TestTurnstile(t *testing.T) {
	var s turnstile
	asked, err := s.pass(t.Context())
	if err != nil || asked.Err() != nil {
		t.Fatal(err, asked.Err())
	}
	s.shut()
	s.shut()
	if asked.Err() == nil {
		t.Error("who has passed isn't told of the handover")
	}
	s.open() // one is left
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.pass(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it passes, with %v", err)
	}
	s.open()
	if again, err := s.pass(t.Context()); err != nil || again.Err() != nil {
		t.Errorf("afterwards: %v, %v", err, again.Err())
	}
}
