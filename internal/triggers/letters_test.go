package triggers

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/abi"
)

// TestLettersOnce ends engines as a crash does after writes of a backlog were put aside. The plugin's state is from before that, so the
// writes are delivered again: what can't be handled again isn't put aside twice, and what can be is a letter no more.
func TestLettersOnce(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		r.shelf.put("x")
		trigger, key := Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}, Key{"p", "write-all"}
		r.engine(trigger)
		r.fails(errTest)
		r.shelf.put("a")
		r.shelf.put("b")
		r.shelf.put("c")
		r.done()
		if s := r.status(); s.Letters != 3 || s.Cursor != 4 {
			t.Fatalf("%+v", s)
		}
		r.restart(trigger)
		r.handle.set(func(_ context.Context, b *abi.Batch) error {
			if b.Tables[0].Name == "a" {
				return nil
			}
			return errTest
		})
		r.Restored("p", Positions{"write-all": 1})
		r.wants("write-all a:1 2/1, write-all b:1 3/1, write-all c:1 4/1")
		if s := r.status(); s.Letters != 2 || s.Cursor != 4 {
			t.Errorf("%+v", s)
		}
		r.fails(nil)
		if did, err := r.Replay(r.t.Context(), key); err != nil || did.Delivered != 2 {
			t.Errorf("%+v, %v", did, err)
		}
		r.wants("write-all b:1 0/1, write-all c:1 0/1")
		if r.wanted.get() != "p" {
			t.Errorf("a checkpoint is asked for of %q: nothing else has what was replayed", r.wanted.get())
		}
		r.end()
	})
}

// restart makes a new engine after a crash.
func (r *rig) restart(triggers ...Trigger) {
	r.t.Helper()
	time.Sleep(2 * time.Second) // the state is saved
	r.crash()
	r.fails(nil)
	r.done()
	r.engine(triggers...)
}

// TestDisabledOnce crashes while a trigger is disabled. The restored state lacks writes from before that, too: enabled, the plugin gets
// each write once, in the order in which they came. Those that it hasn't got when the process ends, the next one has it get first.
func TestDisabledOnce(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		r.shelf.put("x")
		trigger, key := Trigger{Spec: "write:*", OnError: Disable}, Key{"p", "write-all"}
		r.engine(trigger)
		for _, name := range []string{"a", "b", "c"} {
			time.Sleep(time.Millisecond)
			r.shelf.put(name)
			r.done()
			r.fails(errTest)
		}
		if s := r.status(); s.State != Disabled || s.Letters != 1 || s.PassedBy != 1 || s.Cursor != 4 {
			t.Fatalf("%+v", s)
		}
		r.restart(trigger)
		r.Restored("p", Positions{"write-all": 1}) // without a, and aside is b
		r.wants("")
		if s := r.status(); s.Letters != 2 || s.Cursor != 4 {
			t.Errorf("%+v", s)
		}
		let := make(chan struct{})
		r.handle.set(func(_ context.Context, b *abi.Batch) error { <-let; return nil })
		if err := r.Enable(key); err != nil {
			t.Fatal(err)
		}
		r.wants("write-all a:1 0/1")
		if did, err := r.Replay(r.t.Context(), key); err != nil || did.Delivered+did.Failed != 0 {
			t.Errorf("what is in the queue was replayed: %+v, %v", did, err)
		}
		let <- struct{}{}
		r.wants("write-all b:1 0/1")
		r.absent.set(errTest)
		go func() { r.crash() }()
		synctest.Wait()
		close(let)
		r.done()
		r.absent.set(nil)
		r.engine(trigger)
		r.wants("")
		r.end()
		if s := r.status(); s.Letters != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestEnabledStays ends a process before the plugin got what was put aside. The next one has it get that first.
func TestEnabledStays(t *testing.T) {
	in(t, func(r *rig) {
		trigger, key := Trigger{Spec: "write:*", OnError: Disable}, Key{"p", "write-all"}
		r.engine(trigger)
		r.fails(errTest)
		r.write("a")
		r.wants("write-all a:1 0/1")
		r.absent.set(errTest)
		if err := r.Enable(key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.end()
		r.absent.set(nil)
		r.fails(nil)
		r.engine(trigger)
		r.write("b")
		r.wants("write-all a:1 0/1, write-all b:1 0/1")
		if s := r.status(); s.Letters != 0 || r.wanted.get() != "p" {
			t.Errorf("%+v, and a checkpoint is asked for of %q", s, r.wanted.get())
		}
		r.end()
	})
}

// TestPauseSettles disables a trigger during a pause. Nothing is put aside any more: the next process does that, which goes on from what Save
// returns, and knows what was put aside after it had looked at the letters.
func TestPauseSettles(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.shelf.put("x")
		trigger := Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}
		r.engine(trigger)
		gives := r.Engine
		r.make(Saved{})
		r.configure(trigger)
		takes := r.Engine
		if s := r.status(); s.Letters != 0 {
			t.Fatalf("%+v", s)
		}
		r.fails(errTest)
		r.shelf.put("a")
		r.done()
		r.absent.set(errTest)
		for range 3 {
			r.shelf.put("b")
		}
		r.done()
		if err := gives.Pause(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := gives.Disable(Key{"p", "write-all"}); err != nil {
			t.Fatal(err)
		}
		r.done()
		saved := gives.Save()
		gives.End(r.t.Context(), errTest, false)
		if n := len(saved.Triggers); n != 1 || saved.Triggers[0].Cursor != 2 {
			t.Errorf("%+v", saved)
		}
		takes.Take(saved)
		if s := r.status(); s.Letters != 1 || s.State != Disabled {
			t.Errorf("%+v", s)
		}
		takes.Start()
		r.wants("")
		if s := r.status(); s.Letters != 4 || s.Cursor != 5 {
			t.Errorf("%+v", s)
		}
		r.end()
	})
}

// TestPauseAwaitsLetters has a write be put aside while a pause begins.
func TestPauseAwaitsLetters(t *testing.T) {
	r := newRig(t)
	r.shelf = newShelf()
	r.absent.set(errTest)
	r.engine(Trigger{Spec: "write:*"})
	of := r.all[Key{"p", "write-all"}]
	of.letters.mu.Lock() // as if the disk were slow
	r.shelf.put("a")
	if err := r.Disable(of.key); err != nil {
		t.Fatal(err)
	}
	busy := func() bool {
		r.Engine.mu.Lock()
		defer r.Engine.mu.Unlock()
		return of.shelving > 0 && len(r.busyLocked()) > 0
	}
	for !busy() {
		runtime.Gosched()
	}
	of.letters.mu.Unlock()
	r.end()
	if s := r.status(); s.Letters != 1 || s.Cursor != 1 {
		t.Errorf("%+v", s)
	}
}

// TestPauseAwaitsSave pauses while the engine's state is being written.
func TestPauseAwaitsSave(t *testing.T) {
	in(t, func(r *rig) {
		let, writes := make(chan struct{}), 0
		r.saves = func() { writes++; <-let }
		r.engine(Trigger{Spec: "every:1h"})
		time.Sleep(time.Hour)
		time.Sleep(2 * time.Second) // it is saving
		paused := make(chan error, 1)
		go func() { paused <- r.Pause(r.t.Context()) }()
		synctest.Wait()
		select {
		case err := <-paused:
			t.Errorf("it is paused, and writes: %v", err)
		default:
		}
		close(let)
		if err := <-paused; err != nil || writes != 1 {
			t.Errorf("%v, written %d times", err, writes)
		}
		if err := r.Disable(Key{"p", "every-1h"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if writes != 1 {
			t.Errorf("written %d times", writes)
		}
		r.End(r.t.Context(), errors.New("closed"), true)
		if writes != 2 {
			t.Errorf("written %d times", writes)
		}
	})
}
