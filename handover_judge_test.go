package sohost

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// unwritables are values that no stream has a form for.
func unwritables() map[string]any {
	entries := []int{1, 2, 3}
	return map[string]any{
		"an error":                   errors.New("lost"),
		"a list":                     list.New(),
		"a pointer into a slice":     []any{entries, &entries[1]},
		"an error deeper down":       []any{map[string]any{"why": io.ErrUnexpectedEOF}},
		"a type without a name":      struct{ N int }{1},
		"a method that always fails": badNumber(),
	}
}

// badNumber returns a value that has a form, and whose own method refuses to write it.
func badNumber() any { return time.Date(-10_000_000_000, 1, 1, 0, 0, 0, 0, time.FixedZone("x", 1<<22)) }

// TestHandoverUnwritable has a value in one plugin's state that can't be written: the handover is refused with its place,
// before anyone waits for any other plugin.
func TestHandoverUnwritable(t *testing.T) {
	for name, value := range unwritables() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("a1", "b1", "v1")
			r.wants("/a", "a1 1")
			r.hold(value)
			w.done()
			_, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if !errors.Is(err, ErrUnwritable) || takeErr == nil {
				t.Fatalf("given: %v; taken: %v", err, takeErr)
			}
			if s := err.Error(); strings.Count(s, "plugin ") != 1 || !strings.Contains(s, "plugin v:") || !strings.Contains(s, "state.Value") ||
				strings.Contains(s, "EOF") && !strings.Contains(name, "deeper") || strings.Contains(s, "corrupt") {
				t.Errorf("the reason is %q", s)
			}
			if got, want := w.done("Stop", "Start", "open"), "v1 Stop, v1 Start"; got != want {
				t.Errorf("what happened was %s, want %s", got, want)
			}
			r.wants("/a", "a1 2")
			r.wants("/v", "v1 1")
			r.hold(int64(7))
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			if got := taker.holds(); got != "7" {
				t.Errorf("the taker holds %s", got)
			}
		})
	}
}

// TestHandoverUnwritableLate has a value come into the state after that was judged: both ends give up at once, and the reason
// is the giver's.
func TestHandoverUnwritableLate(t *testing.T) {
	for name, value := range unwritables() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("a1", "v1")
			r.wants("/a", "a1 1")
			exports, of := 0, r.holding()
			w.fail("v1 Export", func(context.Context) error {
				if exports++; exports == 2 {
					of.holder.Value = value
				}
				return nil
			})
			begun := time.Now()
			_, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if !errors.Is(err, ErrUnwritable) || takeErr == nil {
				t.Fatalf("given: %v; taken: %v", err, takeErr)
			}
			if s := err.Error(); strings.Count(s, "plugin ") != 1 || !strings.Contains(s, "state.Value") || strings.Contains(s, "corrupt") {
				t.Errorf("the reason is %q", s)
			}
			if took := time.Since(begun); took > r.opts.DrainTimeout/2 {
				t.Errorf("it took %v", took)
			}
			r.wants("/a", "a1 2")
			r.hold(nil) // for the checkpoint at the end
		})
	}
}

// TestBudgetUnwritable spends the budget while one of ten plugins has a state that can't be written. That is asked for and told
// once, and made up for when the state can be written again. Callers of the others are never held back for it, and those of the one
// no longer than for a checkpoint: the gates' own account says so, because how long the callers here take depends on the machine.
func TestBudgetUnwritable(t *testing.T) {
	w := newWorld(t)
	images := []string{"a1", "b1", "c1", "d1", "f1", "g1", "h1", "i1", "s1", "v1"}
	var plugins []string
	for _, image := range images {
		w.file(image[:1], image)
		plugins = append(plugins, image[:1])
	}
	o, lock := w.giverOptions(plugins...)
	o.Budget = Budget{Generations: 1, Memory: -1}
	var asked atomic.Int64
	var r *rig
	given := make(chan *rig, 1)
	o.Process.Handover = func(ctx context.Context, why string) error {
		asked.Add(1)
		taker, _, err, _ := r.handover(ctx, lock, GiveOptions{Why: why})
		if err == nil {
			given <- taker
			return nil
		}
		return fmt.Errorf("reported back: %w", err)
	}
	ready := make(chan struct{})
	handover := o.Process.Handover
	o.Process.Handover = func(ctx context.Context, why string) error { <-ready; return handover(ctx, why) }
	r = w.host(o)
	close(ready)
	r.hold(errors.New("lost"))

	stop := make(chan struct{})
	var callers sync.WaitGroup
	var longest atomic.Int64
	for _, p := range plugins[:9] {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				begun := time.Now()
				if code, text := r.request("/" + p); code != 200 {
					t.Errorf("%s: %d %s", p, code, text)
				}
				if took := int64(time.Since(begun)); took > longest.Load() {
					longest.Store(took)
				}
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	for i := range 6 {
		r.mustDeploy(fmt.Sprintf("s%d", i+2))
		r.tasksIdle()
	}
	eventually(t, "it is told", func() bool { return r.StatusBrief().HandoverDue != nil })
	close(stop)
	callers.Wait()
	t.Logf("the longest call took %v", time.Duration(longest.Load()))
	for _, p := range plugins {
		held := r.pluginStatus(p).Held
		if p != "v" && held.Times != 0 || p == "v" && (held.Times != 1 || held.Longest > r.opts.CheckpointPause) {
			t.Errorf("callers of %s were held back: %+v", p, held)
		}
	}
	due := r.StatusBrief().HandoverDue
	if !strings.Contains(due.Reason, "state.Value") || strings.Contains(due.Reason, "reported back") || asked.Load() != 1 {
		t.Errorf("asked %d times, due is %+v", asked.Load(), due)
	}
	if n := strings.Count(w.logs(), "a handover is due and could not be made"); n != 1 {
		t.Errorf("told %d times", n)
	}
	r.hold(int64(7))
	v, err := r.plugin("v")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if taker := <-given; taker.holds() != "7" {
		t.Errorf("the taker holds %s", taker.holds())
	}
}
