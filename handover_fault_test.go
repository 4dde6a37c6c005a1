package sohost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/internal/fault"
)

// operation is one of a handover that a test can let fail, and how.
type operation struct {
	kind, what string
	number     int // of those with the same name, from 1
	action     fault.Action
}

func (o operation) String() string {
	return fmt.Sprintf("%s %s %d %s", o.kind, o.what, o.number,
		[]string{"", "fails", "is lost", "has no files", "stalls"}[o.action])
}

// inject makes the operation fail, and records the names of all.
func (o operation) inject(all *[]operation) (restore func()) {
	var mu sync.Mutex
	count := map[string]int{}
	return fault.Set(func(kind, what string) (fault.Action, time.Duration) {
		if strings.Contains(what, "(*rig)") { // it is the test's
			return fault.None, 0
		}
		mu.Lock()
		defer mu.Unlock()
		count[kind+what]++
		n := count[kind+what]
		*all = append(*all, operation{kind: kind, what: what, number: n})
		if kind == o.kind && what == o.what && n == o.number {
			return o.action, 20 * time.Millisecond
		}
		return fault.None, 0
	})
}

// actions returns how an operation can fail.
func (o operation) actions() []fault.Action {
	switch o.kind {
	case "send":
		return []fault.Action{fault.Fail, fault.Lose, fault.NoFiles, fault.Stall}
	case "receive":
		return []fault.Action{fault.Fail, fault.NoFiles, fault.Stall}
	}
	return []fault.Action{fault.Fail}
}

// TestHandoverFaults lets every operation between giver and taker fail, one at a time, in every way. Afterwards exactly one of them serves,
// with the state; or neither, if the plugins were the taker's by then and it doesn't know, and then a new process boots. A giver that still
// serves can hand over at once. Nothing is left behind.
func TestHandoverFaults(t *testing.T) {
	var all []operation
	t.Run("none", func(t *testing.T) { handoverWith(t, operation{}, &all) })
	names := map[string]bool{}
	for _, o := range all {
		names[o.kind+" "+o.what] = true
	}
	for _, must := range []string{"send plan", "receive plan", "send prepared", "receive prepared", "send state", "receive state", "send caches", "send ahead", "receive ahead", "send reached", "receive reached", "send changes", "receive changes", "memory file changes",
		"send states", "send accepted", "send yours", "receive yours", "send serving", "receive serving", "memory file state of a",
		"pipe stream", "process open", "socket sohost.takeHost", "socket sohost.(*Host).Give"} {
		if !names[must] {
			t.Errorf("%s is not among the operations %v", must, names)
		}
	}
	outcomes := map[string]int{}
	n := 0
	for _, o := range all {
		for _, action := range o.actions() {
			o.action = action
			if n++; testing.Short() && n%2 == 0 && o.what != "yours" {
				continue
			}
			t.Run(o.String(), func(t *testing.T) {
				before := openFiles(t)
				var outcome string
				t.Run("", func(t *testing.T) { outcome = handoverWith(t, o, new([]operation)) })
				outcomes[outcome]++
				if after := openFiles(t); after != before {
					t.Errorf("%d files are open, before it were %d", after, before)
				}
			})
		}
	}
	t.Logf("%d faults: %v", n, outcomes)
}

// handoverWith hands over with a fault, checks who serves, and returns it in words.
func handoverWith(t *testing.T, o operation, all *[]operation) (outcome string) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1", "h1", "k1", "s1")
	r.wants("/a", "a1 1")
	r.wants("/b", "b1 1")
	hit := func(r *rig) {
		r.hits(func(hits *keep.Map[string, int]) { hits.Update("x", func(n int, _ bool) int { return n + 1 }) })
		r.hoard(func(s *hoarding, _ abi.Host) { s.hit("x", 1) })
	}
	hits := func(r *rig, want int) {
		if got := r.allHits()["x"]; got != want {
			t.Errorf("k has %d hits, want %d", got, want)
		}
		r.hoard(func(s *hoarding, _ abi.Host) {
			if got := s.Hits["x"]; got != want {
				t.Errorf("h has %d hits, want %d", got, want)
			}
		})
	}
	hit(r)
	r.Call(t.Context(), "a", func(i abi.Instance) error { i.(*stateful).host.Cache().Put("x", []byte("1"), 0); return nil })
	ctx, cancel := t.Context(), context.CancelFunc(func() {})
	if o.action == fault.Lose || o.action == fault.NoFiles { // the supervisor aborts what takes too long
		ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
	}
	defer cancel()
	restore := o.inject(all)
	taker, report, giveErr, takeErr := r.handover(ctx, lock, GiveOptions{})
	if taker != nil {
		taker.tasksSettle()
	}
	restore()
	switch {
	case giveErr != nil && takeErr == nil:
		t.Fatalf("both serve: Give says %v", giveErr)
	case giveErr != nil:
		outcome = "the giver serves"
		if r.Serving() != nil || r.onDisk() != "0 trials, 0 pins" {
			t.Errorf("%v; left behind are %s", r.Serving(), r.onDisk())
		}
		r.wants("/a", "a1 2")
		r.wants("/b", "b1 2")
		hit(r)
		if taker, _, giveErr, takeErr = r.handover(t.Context(), lock, GiveOptions{}); giveErr != nil || takeErr != nil {
			t.Fatalf("another handover: %v, %v", giveErr, takeErr)
		}
		taker.wants("/a", "a1 3")
		hits(taker, 2)
		taker.tasksSettle()
	case takeErr == nil:
		outcome = "the taker serves"
		taker.wants("/a", "a1 2")
		taker.wants("/b", "b1 2")
		hits(taker, 1)
		if r.Serving() != ErrHandedOver {
			t.Errorf("the giver's state is %v", r.Serving())
		}
	default:
		outcome = "a new process boots"
		if o.what != "yours" || report.Warning == "" {
			t.Errorf("the plugins are nobody's: Give says %+v, Take %v", report, takeErr)
		}
		options := w.options("a", "b", "h", "k", "s")
		options.Process = &Process{Lock: w.share(lock)}
		w.host(options).wants("/a", "a1 1")
	}
	left, err := filepath.Glob(filepath.Join(w.store, "*", ".*"))
	if more, _ := filepath.Glob(filepath.Join(w.store, ".*")); err != nil || len(left)+len(more) > 0 {
		t.Errorf("left behind are %v %v, %v", left, more, err)
	}
	return outcome
}

// tasksSettle waits until the taker has written its checkpoints and given back its owner tokens.
func (r *rig) tasksSettle() {
	r.w.t.Helper()
	disown, err := r.own(r.w.t.Context(), r.plugins())
	if err != nil {
		r.w.t.Fatal(err)
	}
	disown()
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(entries, func(e os.DirEntry) bool { // what the runtime keeps
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		return strings.Contains(target, "anon_inode:[event")
	}))
}
