package sohost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

// hits lends the state of plugin k to a function.
func (r *rig) hits(do func(hits *keep.Map[string, int])) error {
	return r.Call(r.w.t.Context(), "k", func(i abi.Instance) error {
		do(&i.(*keeper).State().Hits)
		return nil
	})
}

// allHits returns the state of plugin k.
func (r *rig) allHits() (all map[string]int) {
	r.w.t.Helper()
	if err := r.hits(func(hits *keep.Map[string, int]) { all = maps.Collect(hits.All()) }); err != nil {
		r.w.t.Error(err)
	}
	return all
}

// TestHandoverAhead hands a keep.Map over from host to host while calls change it and, when its gate is shut, the plugin's own Stop
// does. Each change that succeeded is in the next host, exactly once. What is sent then are the changes alone.
func TestHandoverAhead(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("k1", "a1")
	want := map[string]int{}
	for i := range 5000 {
		want[fmt.Sprint(i)] = i
	}
	if err := r.hits(func(hits *keep.Map[string, int]) {
		for key, n := range want {
			hits.Set(key, n)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		var mu sync.Mutex // guards want, together with the state: each change is made in both or in none
		var callers sync.WaitGroup
		for c := range 3 {
			callers.Go(func() {
				for rnd := rand.New(rand.NewPCG(uint64(round), uint64(c))); ; {
					key := fmt.Sprint(rnd.IntN(6000))
					err := r.hits(func(hits *keep.Map[string, int]) {
						mu.Lock()
						defer mu.Unlock()
						if rnd.IntN(4) == 0 {
							hits.Delete(key)
							delete(want, key)
							return
						}
						hits.Update(key, func(n int, _ bool) int { return n + 1 })
						want[key]++
					})
					if err != nil {
						if !errors.Is(err, ErrHandedOver) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		late := fmt.Sprint("late-", round)
		from := r
		w.fail("k1 Stop", func(context.Context) error {
			from.keeping().Hits.Set(late, round)
			from.keeping().Hits.Delete("1")
			want[late] = round
			delete(want, "1")
			return nil
		})
		taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		w.fail("k1 Stop", nil)
		callers.Wait()
		if got := taker.allHits(); !maps.Equal(got, want) {
			t.Fatalf("round %d: %d entries have arrived, want %d", round, len(got), len(want))
		}
		i := slices.IndexFunc(report.Moves, func(m Move) bool { return m.Plugin == "k" })
		if i < 0 || report.Moves[i].State.Way != WayHandover || report.Moves[i].State.Schema != "keeping" || report.Phases.Ahead <= 0 {
			t.Errorf("the report is %s", mustJSON(t, report))
		}
		taker.tasksSettle()
		r = taker
	}
	if _, err := os.Stat(filepath.Join(w.store, "state", "k.cbor")); err != nil {
		t.Errorf("a state that came ahead is no checkpoint: %v", err)
	}
	w.done()
	r.mustDeploy("k2") // and it can be moved on
	if got := r.allHits(); !maps.Equal(got, want) {
		t.Errorf("%d entries after a reload, want %d", len(got), len(want))
	}
}

// keeping returns the state of plugin k without a lease.
func (r *rig) keeping() *keeping {
	p, err := r.plugin("k")
	if err != nil {
		r.w.t.Error(err)
		return &keeping{}
	}
	return p.serving().Value().Value().(*keeper).State()
}

// TestHandoverAheadInVain sends a state ahead that is another one once the gate is shut, or that takes more than the limit with what
// has changed; or a state for another image. It is then sent as a whole.
func TestHandoverAheadInVain(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit int64
		stop  func(k *keeping)
		image string
	}{
		{"replaced", 0, func(k *keeping) { k.Hits = keep.Map[string, int]{}; k.Hits.Set("other", 1) }, ""},
		{"large", 60_000, func(k *keeping) {
			for key := range k.Hits.All() {
				k.Hits.Set(key, 7)
			}
		}, ""},
		{"new image", 0, func(k *keeping) { k.Hits.Set("late", 1) }, "k2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("k", "k1")
			o, lock := w.giverOptions("k")
			o.StateLimit = test.limit
			r := w.host(o)
			if err := r.hits(func(hits *keep.Map[string, int]) {
				for i := range 1000 {
					hits.Set(fmt.Sprint(i), i)
				}
			}); err != nil {
				t.Fatal(err)
			}
			var given *keeping
			w.fail("k1 Stop", func(context.Context) error {
				if given == nil {
					given = r.keeping()
					test.stop(given)
				}
				return nil
			})
			give := GiveOptions{}
			if test.image != "" {
				give.Images = map[string]string{"k": w.file("k", test.image)}
			}
			taker, _, err, takeErr := r.handover(t.Context(), lock, give)
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			if sent := w.logged("the state is sent as a whole"); sent != (test.name == "large") {
				t.Errorf("the log says that the state is sent as a whole: %v", sent)
			}
			if got, want := taker.allHits(), maps.Collect(given.Hits.All()); !maps.Equal(got, want) {
				t.Errorf("%d entries have arrived, want %d", len(got), len(want))
			}
		})
	}
}
