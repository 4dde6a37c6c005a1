package triggers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// shelf is a backlog in memory, which outlasts engines.
type shelf struct {
	mu       sync.Mutex
	all      []Acknowledged
	released uint64
	changed  chan struct{}
}

func newShelf() *shelf { return &shelf{changed: make(chan struct{})} }

func (s *shelf) put(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, Acknowledged{Seq: uint64(len(s.all) + 1), Database: "db", Received: time.Now(), Tables: tables(names...)})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) End() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.all))
}

func (s *shelf) Release(upTo uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = max(s.released, upTo)
	return nil
}

func (s *shelf) Crowded() bool { return false }
func (s *shelf) Close() error  { return nil }

func (s *shelf) Read(after uint64) BacklogReader { return &shelfReader{s, after} }

type shelfReader struct {
	*shelf
	last uint64
}

func (r *shelfReader) Next(ctx context.Context) (Acknowledged, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		if r.last < uint64(len(r.all)) {
			defer r.mu.Unlock()
			if r.last < r.released {
				return Acknowledged{}, fmt.Errorf("write %d was released", r.last+1)
			}
			r.last++
			return r.all[r.last-1], nil
		}
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Acknowledged{}, context.Cause(ctx)
		}
	}
}

// TestBacklogOrder has two triggers read a backlog, one of which only wants a table. A new engine goes on after what was handled; a
// trigger that is new begins with what comes then.
func TestBacklogOrder(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.shelf.put("a")
		r.engine(Trigger{Spec: "write:a"})
		r.wants("")
		r.shelf.put("a", "b:2")
		r.shelf.put("b")
		r.wants("write-a a:1 2/1")
		if s := r.status(); s.Cursor != 3 {
			t.Errorf("%+v", s)
		}
		r.end()
		if r.shelf.released != 3 {
			t.Errorf("released up to %d, want 3", r.shelf.released)
		}
		r.shelf.put("a")
		r.engine(Trigger{Spec: "write:a"}, Trigger{Spec: "write:*"})
		r.wants("write-a a:1 4/1")
		r.shelf.put("b")
		r.wants("write-all b:1 5/1")
		r.end()
	})
}

// TestBacklogCrash ends engines as a crash does, without a word. A stateless plugin gets again what was handled in the last second. A
// stateful one gets again what its restored state hasn't, and nothing is released that it could need.
func TestBacklogCrash(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		r.engine(Trigger{Spec: "write:*"})
		for range 3 {
			r.shelf.put("a")
		}
		r.wants("write-all a:1 1/1, write-all a:1 2/1, write-all a:1 3/1")
		at, release, err := r.Cut(r.t.Context(), "p")
		if err != nil || at["write-all"] != 3 {
			t.Fatal(at, err)
		}
		r.shelf.put("b")
		r.wants("") // until the state was read
		release()
		r.wants("write-all b:1 4/1")
		time.Sleep(2 * time.Second) // the state is saved
		r.done()
		if r.shelf.released != 0 {
			t.Errorf("released up to %d before there is a checkpoint", r.shelf.released)
		}
		r.Checkpointed("p", at)
		if r.shelf.released != 3 {
			t.Errorf("released up to %d, want 3", r.shelf.released)
		}
		r.crash()
		r.engine(Trigger{Spec: "write:*"})
		r.wants("") // as far as was saved
		r.Restored("p", at)
		r.wants("write-all b:1 4/1")
		r.Restored("p", nil) // no checkpoint is whole
		r.wants("write-all b:1 4/1")
		r.stateful.set(false)
		r.shelf.put("c")
		time.Sleep(2 * time.Second)
		r.done()
		r.crash()
		r.engine(Trigger{Spec: "write:*"})
		r.wants("")
		if r.shelf.released != 5 {
			t.Errorf("released up to %d, want 5", r.shelf.released)
		}
		r.end()
	})
}

// crash ends the engine, and nothing is saved.
func (r *rig) crash() { r.End(r.t.Context(), errors.New("crashed"), false) }

// TestBacklogSlow has a plugin be slower than the writers. What waits in memory is bounded; a call that runs holds a cut up.
func TestBacklogSlow(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.engine(Trigger{Spec: "write:*", QueueRows: 3})
		let := make(chan struct{})
		r.handle.set(func(context.Context, *abi.Batch) error { <-let; return nil })
		for range 100 {
			r.shelf.put("a")
		}
		r.done()
		if s := r.status(); s.Rows != 3 || s.Oldest.IsZero() {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		if _, _, err := r.Cut(ctx, "p"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cut during a call: %v", err)
		}
		close(let)
		r.done()
		if s := r.status(); s.Cursor != 100 || s.Runs != 100 || s.Rows != 0 {
			t.Errorf("%+v", s)
		}
		r.end()
	})
}

// TestBacklogDisabled puts aside what was acknowledged before the trigger was disabled, whether or not it was in the queue, and lets pass
// what comes later. Enabled, the plugin gets it in its order.
func TestBacklogDisabled(t *testing.T) {
	for _, byError := range []bool{true, false} {
		in(t, func(r *rig) {
			r.shelf = newShelf()
			r.engine(Trigger{Spec: "write:*", QueueRows: 2, OnError: Disable})
			let := make(chan struct{})
			r.handle.set(func(_ context.Context, b *abi.Batch) error {
				<-let
				if byError {
					return errTest
				}
				return nil
			})
			for _, name := range []string{"a", "b", "c", "d"} {
				r.shelf.put(name)
			}
			r.done()
			if !byError {
				if err := r.Disable(Key{"p", "write-all"}); err != nil {
					t.Fatal(err)
				}
			}
			close(let)
			r.done()
			r.shelf.put("e")
			r.done()
			put := 3
			if byError {
				put = 4
			}
			if s := r.status(); s.State != Disabled || s.Letters != put || s.PassedBy != 1 || s.Cursor != 5 {
				t.Errorf("%+v", s)
			}
			r.handle.set(nil)
			if err := r.Enable(Key{"p", "write-all"}); err != nil {
				t.Fatal(err)
			}
			r.shelf.put("f")
			want := "write-all b:1 0/1, write-all c:1 0/1, write-all d:1 0/1, write-all f:1 6/1"
			if byError {
				want = "write-all a:1 0/1, " + want
			}
			r.wants(want)
			r.end()
		})
	}
}

// TestBacklogPause pauses while a write waits that the plugin can't be called for. It is delivered after the pause.
func TestBacklogPause(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.engine(Trigger{Spec: "write:*"})
		r.absent.set(errTest)
		r.shelf.put("a")
		time.Sleep(time.Second)
		volatile := r.write("b")
		if err := r.Pause(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		if !isDone(volatile) || volatile.Err() == nil {
			t.Error("a writer isn't told that its rows can't be handled")
		}
		r.absent.set(nil)
		r.Resume()
		time.Sleep(10 * time.Second)
		r.wants("write-all a:1 1/1")
		r.end()
	})
}
