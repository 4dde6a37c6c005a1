package sohost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/state"
)

// fillHoard gives plugin h a state of n entries.
func (r *rig) fillHoard(n int) (want map[string]int) {
	r.w.t.Helper()
	want = map[string]int{}
	for i := range n {
		want[fmt.Sprint(i)] = i
	}
	if err := r.hoard(func(s *hoarding, _ abi.Host) {
		for key, n := range want {
			s.hit(key, n)
		}
	}); err != nil {
		r.w.t.Fatal(err)
	}
	return want
}

// wantsHoard checks the state of plugin h.
func (r *rig) wantsHoard(want map[string]int) {
	r.w.t.Helper()
	if err := r.hoard(func(s *hoarding, _ abi.Host) {
		if !s.is(want) {
			r.w.t.Errorf("h has %d entries, not those %d that were expected", len(s.Hits), len(want))
		}
	}); err != nil {
		r.w.t.Error(err)
	}
}

// TestHandoverGoMap hands a Go map over from host to host while calls change it. Each change that succeeded is in the next host,
// exactly once. What is sent while callers wait are the last changes alone.
func TestHandoverGoMap(t *testing.T) {
	w := newWorld(t)
	w.pause = time.Hour // or a part may not be read, on a busy machine, and the state would be sent as a whole
	r, lock := w.giver("h1", "s1")
	want := r.fillHoard(20_000)
	var removed []*visits // else others come to lie where these did, and if the reading takes long they are taken for the same
	for round := range 2 {
		var callers sync.WaitGroup
		for c := range 3 {
			callers.Go(func() {
				for rnd := rand.New(rand.NewPCG(uint64(round), uint64(c))); ; {
					key := fmt.Sprint(rnd.IntN(25_000))
					err := r.hoard(func(s *hoarding, _ abi.Host) { // one at a time, so that want is the same
						if s.Calls++; rnd.IntN(4) == 0 {
							removed = append(removed, s.Visits[key])
							s.remove(key)
							delete(want, key)
							return
						}
						s.hit(key, 1)
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
		whole := fault.Set(func(kind, what string) (fault.Action, time.Duration) {
			if kind == "send" && what == "state" {
				t.Error("the state is sent as a whole")
			}
			return fault.None, 0
		})
		taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
		whole()
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		callers.Wait()
		taker.wantsHoard(want)
		i := slices.IndexFunc(report.Moves, func(m Move) bool { return m.Plugin == "h" })
		if i < 0 || report.Moves[i].State.Way != WayHandover || report.Moves[i].State.Schema != "hoarding" || report.Phases.Ahead <= 0 {
			t.Errorf("the report is %s", mustJSON(t, report))
		}
		taker.tasksSettle()
		taker.wantsCheckpoint(want)
		if s := taker.pluginStatus("h").Checkpoint; s.Held != 0 || !s.Verified {
			t.Errorf("callers were held for the checkpoint: %s", mustJSON(t, s))
		}
		r = taker
		runtime.KeepAlive(removed)
	}
}

// wantsCheckpoint checks the last checkpoint of plugin h.
func (r *rig) wantsCheckpoint(want map[string]int) {
	r.w.t.Helper()
	p, err := r.plugin("h")
	if err != nil {
		r.w.t.Fatal(err)
	}
	if _, err := r.checkpoints.Restore("h", p.serving().Value().Image().Wants(), time.Now(), func(from io.Reader) error {
		s, _, err := state.Decode(from, reflect.TypeFor[*hoarding](), state.DecodeOptions{})
		if err == nil && !s.Value.(*hoarding).is(want) {
			r.w.t.Errorf("the checkpoint has %d entries, not those %d that were expected", len(s.Value.(*hoarding).Hits), len(want))
		}
		return err
	}); err != nil {
		r.w.t.Error(err)
	}
}

// TestHandoverCopies hands two Go maps over. One copy is written when the other has been read, so that neither waits for its reader for
// longer than a step may take.
func TestHandoverCopies(t *testing.T) {
	w := newWorld(t)
	w.file("h", "h1")
	w.file("i", "h2")
	o, lock := w.giverOptions("h", "i")
	r := w.host(o)
	want := r.fillHoard(20_000)
	r.Call(t.Context(), "i", func(i abi.Instance) error {
		for key, n := range want {
			i.(*hoarder).State().hit(key, n)
		}
		return nil
	})
	var written atomic.Int32
	defer fault.Set(func(kind, what string) (fault.Action, time.Duration) {
		if kind == "write" && what == "pipe" {
			written.Add(1)
			stacks := make([]byte, 1<<20)
			if n := bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("(*giver).writeCopy(")); n != 1 {
				t.Errorf("%d copies are written at once", n)
			}
		}
		return fault.None, 0
	})()
	taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	taker.tasksSettle()
	taker.wantsCheckpoint(want)
	for _, name := range []string{"h", "i"} {
		if s := taker.pluginStatus(name).Checkpoint; s.Held != 0 || !s.Verified || written.Load() < 4 {
			t.Errorf("%s: callers were held for the checkpoint: %s", name, mustJSON(t, s))
		}
	}
}

// TestHandoverNoCopy hands a Go map over without a copy of the state for a checkpoint, or with a part of one. The new host takes a
// checkpoint itself.
func TestHandoverNoCopy(t *testing.T) {
	for _, test := range []struct {
		kind, what string
		action     fault.Action
	}{
		{"pipe", "copy", fault.Fail}, {"send", "copy", fault.Lose}, {"write", "pipe", fault.Fail},
	} {
		t.Run(test.kind, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("h1")
			want := r.fillHoard(20_000)
			var hit atomic.Bool
			defer fault.Set(func(kind, what string) (fault.Action, time.Duration) {
				if kind == test.kind && what == test.what && !hit.Swap(true) {
					return test.action, 0
				}
				return fault.None, 0
			})()
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			taker.tasksSettle()
			if !hit.Load() {
				t.Error("the fault was not hit")
			}
			taker.wantsCheckpoint(want)
			if s := taker.pluginStatus("h").Checkpoint; s.Held == 0 || !s.Verified || s.Failed != nil {
				t.Errorf("the checkpoint is %s", mustJSON(t, s))
			}
		})
	}
}

// TestHandoverGoMapInVain begins to send a Go map ahead that is another one later, or that can't be read because a call or a goroutine
// of the plugin runs. It is then sent as a whole.
func TestHandoverGoMapInVain(t *testing.T) {
	replace := func(r *rig, want map[string]int) {
		r.hoard(func(s *hoarding, _ abi.Host) {
			s.Hits, want["new"] = maps.Clone(s.Hits), 1
			s.hit("new", 1)
		})
	}
	share := func(r *rig, want map[string]int) {
		r.hoard(func(s *hoarding, _ abi.Host) {
			s.Visits["0"].n = s.Visits["1"].n
			s.Hits["0"], want["0"] = 1, 1
		})
	}
	for _, test := range []struct {
		name, at string // once that is sent
		do       func(r *rig, want map[string]int)
	}{
		{"replaced", "ahead", replace},
		{"replaced at the end", "reached", replace},
		{"shared", "ahead", share},
		{"shared at the end", "reached", share},
		{"a goroutine", "plan", func(r *rig, _ map[string]int) {
			r.hoard(func(_ *hoarding, host abi.Host) { host.Go(func(ctx context.Context) { <-ctx.Done() }) })
		}},
		{"a call", "plan", func(r *rig, _ map[string]int) {
			running := make(chan struct{})
			go r.Call(context.Background(), "h", func(abi.Instance) error {
				close(running)
				eventually(t, "the reading is given up", func() bool { return r.w.logged("sent as a whole") })
				return nil
			})
			<-running
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("h1")
			want := r.fillHoard(1000)
			var once sync.Once
			var whole atomic.Bool
			defer fault.Set(func(kind, what string) (fault.Action, time.Duration) {
				if kind == "send" && what == test.at {
					once.Do(func() { test.do(r, want) })
				}
				if kind == "send" && what == "state" {
					whole.Store(true)
				}
				return fault.None, 0
			})()
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			taker.wantsHoard(want)
			if !whole.Load() {
				t.Error("the state was not sent as a whole")
			}
		})
	}
}
