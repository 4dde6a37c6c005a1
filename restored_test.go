package sohost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// outOfTime returns a context whose time is over.
func outOfTime(t *testing.T) context.Context {
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Hour), fmt.Errorf("%w of a test", ErrTooSlow))
	t.Cleanup(cancel)
	return ctx
}

// TestRestoreTakesItsTime restores a kept state when the time of the step is over. A large one takes longer than that to be
// decoded, and an older checkpoint in its place would lose what it has.
func TestRestoreTakesItsTime(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.get("/m")
	p := r.plugins()[0]
	if err := p.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wants("/m", "m1 {2 map[/m:2]}")
	w.mustMove(r.deployAs("m", "s1", DeployOptions{LoseState: true}))
	if err := p.own(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := newCandidate(target{plugin: p, file: w.file("m", "m1")})
	b := &batch{host: r.Host, candidates: []*candidate{c}}
	if err := c.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := takeState(outOfTime(t), c); err != nil || c.move.State.Way != WayKept {
		t.Errorf("restored: %+v, %v", c.move.State, err)
	}
	if _, err := c.partOf(outOfTime(t), p.kept[0]); !errors.Is(err, ErrTooSlow) {
		t.Errorf("a state that callers wait for is read for ever: %v", err)
	}
	b.abandon(t.Context())
	b.endTrials()
	b.unpin()
	p.disown()
}

// TestReadBeforeDrain has what is to be restored before any caller waits.
func TestReadBeforeDrain(t *testing.T) {
	for _, by := range []string{"reload", "handover"} {
		w := newWorld(t)
		r, lock := w.giver("m1")
		r.wants("/m", "m1 {1 map[/m:1]}")
		w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
		w.fail("m2 Stop", func(context.Context) error { return os.Remove(r.plugins()[0].kept[0].File) })
		var s StateMove
		if by == "reload" {
			s = r.back()
		} else {
			_, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"m": w.file("m", "m1")}})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			s = report.Moves[0].State
		}
		if !slices.Equal(s.Restored, []string{"state.Seen"}) || len(s.Unrestored) > 0 {
			t.Errorf("by %s: %+v", by, s)
		}
	}
}

// TestHandoverBackToVersion goes back to an earlier version by a handover: the generation gets its own state, as by a reload.
func TestHandoverBackToVersion(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	r.wants("/a", "a1 1")
	r.mustDeploy("a9")
	r.wants("/a", "a9 2")
	images := map[string]string{"a": w.file("a", "a1")}
	if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Images: images}); err == nil {
		t.Error("it needs no order")
	}
	taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: images, LoseState: true})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if s := report.Moves[0].State; s.Way != WayKept {
		t.Errorf("the move is %+v", s)
	}
	taker.wants("/a", "a1 2")
	if s := w.mustMove(taker.deploy("a9")); s.Way != WayImport {
		t.Errorf("forth again: %+v", s)
	}
}

// TestBudgetWaitsForKept spends the budget while what a deploy has lost is kept in memory only. The handover would lose it, so it
// waits for the confirmation.
func TestBudgetWaitsForKept(t *testing.T) {
	w := newWorld(t)
	w.file("m", "m5")
	w.file("s", "s1")
	o, lock := w.giverOptions("m", "s")
	o.Budget = Budget{Generations: 1, Memory: -1}
	given := make(chan *rig, 1)
	ready := make(chan *rig, 1)
	o.Process.Handover = func(ctx context.Context, why string) error {
		r := <-ready
		taker, _, err, _ := r.handover(ctx, lock, GiveOptions{Why: why})
		given <- taker
		return err
	}
	r := w.host(o)
	ready <- r
	r.wants("/m", "m5 {1 map[/m:1] <nil>}")
	if _, err := r.deployAs("m", "m2", DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	r.mustDeploy("s2")
	eventually(t, "it is told", func() bool { return r.StatusBrief().HandoverDue != nil })
	if due := r.StatusBrief().HandoverDue; !strings.Contains(due.Reason, "in memory only") {
		t.Errorf("due is %+v", due)
	}
	if r.confirm(); len(given) > 0 && r.pluginStatus("m").Kept != nil {
		t.Error("it has not waited")
	}
	if taker := <-given; taker == nil {
		t.Error("no handover")
	}
}

// TestKeptUntilCheckpoint confirms a rollback and then ends the process. What the rollback has restored was kept, and no
// checkpoint of the code that serves had it, so one is taken; while none can be had, what is kept stays.
func TestKeptUntilCheckpoint(t *testing.T) {
	for _, how := range []string{"can be had", "can't be had"} {
		w := newWorld(t)
		r := w.boots("m1")
		r.wants("/m", "m1 {1 map[/m:1]}")
		w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
		if s := r.back(); !slices.Equal(s.Restored, []string{"state.Seen"}) {
			t.Fatalf("back: %+v", s)
		}
		if how != "can be had" {
			w.fail("m1 Export", fails)
		}
		r.confirm()
		kept := 0
		if how != "can be had" {
			kept = 2
		}
		if k := r.pluginStatus("m").Kept; len(k) != kept {
			t.Errorf("a checkpoint %s, and after the confirmation there is %+v", how, k)
		}
		w.fail("m1 Export", nil)
		r = r.crashed("m")
		r.wants("/m", "m1 {2 map[/m:2]}")
		if err := r.plugins()[0].checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k := r.pluginStatus("m").Kept; len(k) != 0 {
			t.Errorf("a checkpoint %s; now there is one, and %+v", how, k)
		}
	}
}
