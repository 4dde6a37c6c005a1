package generations

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Callers at a gate get what it opens to, and none fails.
func TestGate(t *testing.T) {
	for name, putBack := range map[string]bool{"to the next generation": false, "to the previous one": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s Slot[int]
				old, next := NewGeneration(ID{}, 1), NewGeneration(ID{}, 2)
				swap(t, &s, old, nil)
				before := acquire(t, &s, 1)
				gate, err := s.Gate()
				if err != nil {
					t.Fatal(err)
				}
				if gate.Previous() != old || s.Current() != old {
					t.Error("the gate forgot what was before it")
				}
				wantState(t, old, StateDraining)
				_, err = s.Gate()
				wantIs(t, err, ErrGated)
				_, err = s.Swap(next)
				wantIs(t, err, ErrGated)

				var got sync.Map
				var wg sync.WaitGroup
				const callers = 100
				for i := range callers {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						lease, err := s.Acquire(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						got.Store(i, lease.Value())
						lease.Release()
					})
				}
				before.Release()
				if err := old.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(callers * time.Millisecond)
				synctest.Wait()
				if st := gate.Stats(); st.Waiting != callers || st.Shut != callers*time.Millisecond || st.Passed != 0 {
					t.Errorf("while shut: %+v", st)
				}
				want := 2
				if putBack {
					next, want = old, 1
				}
				if err := gate.Open(next); err != nil {
					t.Fatal(err)
				}
				gate.AwaitGone(t.Context())
				if st := gate.Stats(); st.Waiting != 0 || st.Passed != callers {
					t.Errorf("once all have gone: %+v", st)
				}
				wg.Wait()
				gate.AwaitGone(t.Context()) // nobody is there
				got.Range(func(i, v any) bool {
					if v != want {
						t.Errorf("caller %v got %v, want %d", i, v, want)
					}
					return true
				})
				st := gate.Stats()
				if st.Waiting != 0 || st.Passed != callers || st.TimedOut+st.Canceled != 0 || st.Shut != callers*time.Millisecond {
					t.Errorf("afterwards: %+v", st)
				}
				// They waited 1 to 100 ms.
				wantWithin(t, "max", st.Max, 100*time.Millisecond, 0)
				wantWithin(t, "p50", st.P50, 50*time.Millisecond, 7*time.Millisecond)
				wantWithin(t, "p99", st.P99, 99*time.Millisecond, 13*time.Millisecond)
				wantState(t, next, StateLive)
				wantIs(t, gate.Open(nil), ErrGateOpen)
				if h := s.Held(); h != (Held{Times: 1, Longest: st.Shut, Total: st.Shut}) {
					t.Errorf("the slot has held callers: %+v", h)
				}
				acquired := acquire(t, &s, want)
				acquired.Release()
			})
		})
	}
}

func wantWithin(t *testing.T, what string, got, want, above time.Duration) {
	t.Helper()
	if got < want || got > want+above {
		t.Errorf("%s is %v, want %v to %v", what, got, want, want+above)
	}
}

func TestGateLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlot[int](SlotOptions{GateLimit: time.Second})
		g := NewGeneration(ID{}, 1)
		swap(t, s, g, nil)
		gate, err := s.Gate()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = s.Acquire(t.Context())
		wantIs(t, err, ErrGateTimeout)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, the limit is 1s", waited)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("client went away"))
		defer cancel()
		_, err = s.Acquire(ctx)
		wantIs(t, err, context.Cause(ctx))
		if st := gate.Stats(); st.TimedOut != 1 || st.Canceled != 1 || st.Waiting != 0 || st.Max != time.Second {
			t.Errorf("stats %+v", st)
		}

		// Gates one after the other must not hold a caller longer than one may.
		done := make(chan error, 1)
		start = time.Now()
		go func() {
			_, err := s.Acquire(t.Context())
			done <- err
		}()
		for range 3 {
			time.Sleep(300 * time.Millisecond)
			gate = regate(t, s, gate, g)
		}
		wantIs(t, <-done, ErrGateTimeout)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v at several gates, the limit is 1s", waited)
		}
	})
}

// TestHeld adds up the gates of a slot, without one that is still shut.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slot[int]
		for _, shut := range []time.Duration{2 * time.Millisecond, 5 * time.Millisecond, 3 * time.Millisecond} {
			gate, err := s.Gate()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(shut)
			if err := gate.Open(nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Gate(); err != nil {
			t.Fatal(err)
		}
		if h := s.Held(); h != (Held{Times: 3, Longest: 5 * time.Millisecond, Total: 10 * time.Millisecond}) {
			t.Errorf("%+v", h)
		}
	})
}

// TestWaits counts callers at two gates by how long they waited.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slot[int]
		if w := s.Waits(); w != nil {
			t.Errorf("nobody waited, and %v did", w)
		}
		for _, callers := range []int{2, 3} {
			gate, err := s.Gate()
			if err != nil {
				t.Fatal(err)
			}
			for range callers {
				go s.Acquire(t.Context())
			}
			time.Sleep(time.Duration(callers-1) * time.Millisecond)
			gate.Open(nil)
			synctest.Wait()
		}
		want := []WaitCount{{1 << 20, 2}, {1 << 21, 3}} // 1 and 2 ms
		if w := s.Waits(); !slices.Equal(w, want) {
			t.Errorf("counted %v, want %v", w, want)
		}
	})
}

// regate opens a gate and shuts another before any waiting caller can run: within s.mu.
func regate(t *testing.T, s *Slot[int], gate *Gate[int], g *Generation[int]) *Gate[int] {
	t.Helper()
	next := &Gate[int]{slot: s, previous: g, waiters: newWaiters(gate.waiters.all)}
	s.mu.Lock()
	s.gate = next
	s.current.Store(next.placeholder())
	gate.waiters.release()
	s.mu.Unlock()
	return next
}

// A caller whom the machine runs late finds the gate open and its time over at once. That must not fail it.
func TestGateOpenBeatsTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waiters := newWaiters(new(histogram))
	waiters.release()
	for range 100 {
		w := waiter{timer: time.NewTimer(0)}
		if err := w.wait(ctx, waiters, time.Nanosecond); err != nil {
			t.Fatal(err)
		}
	}
	if st := waiters.stats(); st.Passed != 100 || st.TimedOut+st.Canceled+st.Waiting != 0 {
		t.Errorf("stats %+v, want 100 passed", st)
	}
}

func TestGateOnEmptySlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Slot[int]
		gate, err := s.Gate()
		if err != nil || gate.Previous() != nil {
			t.Fatalf("Gate: %v", err)
		}
		live := NewGeneration(ID{}, 1)
		var other Slot[int]
		swap(t, &other, live, nil)
		wantIs(t, gate.Open(live), ErrLive)
		done := make(chan error, 1)
		go func() {
			_, err := s.Acquire(t.Context())
			done <- err
		}()
		synctest.Wait()
		if n := gate.Stats().Waiting; n != 1 {
			t.Errorf("%d callers wait after a refused opening", n)
		}
		if err := gate.Open(nil); err != nil {
			t.Fatal(err)
		}
		wantIs(t, <-done, ErrEmpty)
	})
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 || h.max() != 0 {
		t.Error("an empty histogram tells of durations")
	}
	last := -1
	for d := time.Duration(0); d < 10*time.Hour; d += 1 + d/20 {
		b := bucketOf(d)
		if b < last || b >= buckets {
			t.Fatalf("bucket %d of %v after %d", b, d, last)
		}
		last = b
		if b < buckets-1 && (upperBound(b) < d || upperBound(b) > d+d/8) {
			t.Errorf("%v counts in a bucket up to %v", d, upperBound(b))
		}
	}
	h.record(-time.Second)
	h.record(100 * time.Hour)
	if h.quantile(0.1) != 0 || h.max() != 100*time.Hour {
		t.Errorf("p10 %v, max %v", h.quantile(0.1), h.max())
	}
}

// TestAwaitGone gives up when its context ends.
func TestAwaitGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlot[int](SlotOptions{})
		gate, err := s.Gate()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Acquire(ctx)
		synctest.Wait()
		limited, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		begin := time.Now()
		if gate.AwaitGone(limited); time.Since(begin) != time.Second {
			t.Errorf("it gave up after %v", time.Since(begin))
		}
		cancel()
		if gate.AwaitGone(t.Context()); gate.Stats().Waiting != 0 {
			t.Error("somebody waits")
		}
	})
}
