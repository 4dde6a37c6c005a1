package triggers

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// aside has a write be put aside, and lets the plugin handle what comes then.
func (r *rig) aside(name string) {
	r.t.Helper()
	r.fails(errTest)
	if r.shelf != nil {
		r.shelf.put(name)
	} else {
		r.write(name)
	}
	r.done()
	r.fails(nil)
}

// replays checks how many letters are delivered by command.
func (r *rig) replays(want int) {
	r.t.Helper()
	if did, err := r.Replay(r.t.Context(), Key{"p", "write-all"}); err != nil || did.Delivered != want || did.Failed != 0 {
		r.t.Errorf("%+v, %v, want %d delivered", did, err, want)
	}
}

// cut returns the positions of a checkpoint that is taken now.
func (r *rig) cut() Positions {
	r.t.Helper()
	at, release, err := r.Cut(r.t.Context(), "p")
	if err != nil {
		r.t.Fatal(err)
	}
	release()
	return at
}

// files returns how many letters are on disk, and how many of them are delivered.
func (r *rig) files() (all, delivered int) {
	r.t.Helper()
	entries, err := os.ReadDir(r.store.Folder("letters/p/write-all").Path(""))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		all++
		if strings.Contains(e.Name(), deliveredMark) {
			delivered++
		}
	}
	return all, delivered
}

// TestReplayedOnce crashes after letters were delivered: before any checkpoint has them, and when one has them but they aren't removed. Each
// is in the state once: those that the restored state lacks are letters again. It does so with writes on disk, and without.
func TestReplayedOnce(t *testing.T) {
	for _, spooled := range []bool{true, false} {
		in(t, func(r *rig) {
			if spooled {
				r.shelf = newShelf()
			}
			r.stateful.set(true)
			trigger := Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}
			r.engine(trigger)
			r.aside("a")
			before := r.cut()
			r.replays(1)
			r.wants("write-all a:1 0/1")
			if all, delivered := r.files(); r.status().Letters != 0 || all != 1 || delivered != 1 {
				t.Errorf("%d letters, %d of them delivered", all, delivered)
			}
			r.replays(0)

			r.restart(trigger)
			r.Restored("p", before) // without a
			if s := r.status(); s.Letters != 1 {
				t.Errorf("%+v", s)
			}
			r.replays(1)
			r.wants("write-all a:1 0/1")
			after := r.cut() // the checkpoint is written, and the process ends before a is removed

			r.restart(trigger)
			r.Restored("p", after)
			if all, _ := r.files(); all != 0 {
				t.Errorf("%d letters, which the state has", all)
			}
			r.aside("b")
			r.replays(1)
			r.wants("write-all b:1 0/1")
			r.Checkpointed("p", after) // of the state before b, late
			if all, _ := r.files(); all != 1 {
				t.Errorf("%d letters, and no checkpoint has b", all)
			}
			r.Checkpointed("p", r.cut())
			if all, _ := r.files(); all != 0 {
				t.Errorf("%d letters, which a checkpoint has", all)
			}
			r.end()
		})
	}
}

// TestHeldReplayedOnce crashes after a trigger was enabled and what had been put aside was delivered. The restored state lacks it, and the
// plugin gets it again without a command.
func TestHeldReplayedOnce(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		trigger := Trigger{Spec: "write:*", OnError: Disable}
		r.engine(trigger)
		r.aside("a")
		before := r.cut()
		if err := r.Enable(Key{"p", "write-all"}); err != nil {
			t.Fatal(err)
		}
		r.wants("write-all a:1 0/1")
		r.restart(trigger)
		r.wants("")
		r.Restored("p", before)
		r.wants("write-all a:1 0/1")
		r.Checkpointed("p", r.cut())
		if all, _ := r.files(); all != 0 {
			t.Errorf("%d letters, which a checkpoint has", all)
		}
		r.end()
	})
}

// TestHeldWriteOnce restores a state from before a write that was put aside, while its letter waits to be delivered, and again after that. The
// plugin gets the write once, from the backlog, and then there is no letter.
func TestHeldWriteOnce(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		r.shelf.put("x")
		trigger := Trigger{Spec: "write:*", OnError: Disable}
		r.engine(trigger)
		before := r.cut()
		r.aside("a")
		for range 2 {
			r.absent.set(errTest)
			if err := r.Enable(Key{"p", "write-all"}); err != nil {
				t.Fatal(err)
			}
			r.done()
			r.restart(trigger)
			r.Restored("p", before)
			r.done()
			r.absent.set(nil)
			time.Sleep(time.Minute)
			r.wants("write-all a:1 2/1")
			if all, _ := r.files(); all != 0 {
				t.Errorf("%d letters, and the plugin has handled the write", all)
			}
		}
		r.end()
	})
}

// TestReplayedHandover delivers a letter, and hands over before a checkpoint has it. The next process goes on counting deliveries, and removes
// the letter when it has written the state that it took.
func TestReplayedHandover(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.stateful.set(true)
		trigger := Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}
		r.engine(trigger)
		r.aside("a")
		r.replays(1)
		r.Checkpointed("p", r.cut()) // nothing on disk has the number any more
		r.aside("b")
		r.replays(1)
		if err := r.Pause(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		saved := r.Save()
		r.End(r.t.Context(), errTest, false)
		r.make(Saved{})
		r.configure(trigger)
		r.Take(saved)
		r.Start()
		if all, delivered := r.files(); all != 1 || delivered != 1 || saved.Of("p")[letterPosition("write-all")] != 2 {
			t.Errorf("%d letters, %d of them delivered; %+v", all, delivered, saved)
		}
		r.Checkpointed("p", saved.Of("p"))
		r.aside("c")
		r.replays(1)
		if all, delivered := r.files(); all != 1 || delivered != 1 || r.cut()[letterPosition("write-all")] != 3 {
			t.Errorf("%d letters, %d of them delivered; %+v", all, delivered, r.cut())
		}
		r.end()
	})
}

// TestDeliveredThenWithoutState delivers a letter to an image with state, and begins anew with one that has none. As no checkpoint will have
// that letter, it doesn't stay.
func TestDeliveredThenWithoutState(t *testing.T) {
	for _, spooled := range []bool{true, false} {
		in(t, func(r *rig) {
			if spooled {
				r.shelf = newShelf()
			}
			r.stateful.set(true)
			trigger := Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}
			r.engine(trigger)
			r.aside("a")
			r.replays(1)
			r.restart(trigger)
			if all, delivered := r.files(); all != 1 || delivered != 1 {
				t.Errorf("%d letters, %d of them delivered", all, delivered)
			}
			r.stateful.set(false)
			r.restart(trigger)
			if all, _ := r.files(); all != 0 {
				t.Errorf("spooled %v: %d letters stay for ever", spooled, all)
			}
			r.end()
		})
	}
}

// TestRemovedWhileReplayed removes a letter while it is delivered: nobody is told that it may come again.
func TestRemovedWhileReplayed(t *testing.T) {
	in(t, func(r *rig) {
		r.stateful.set(true)
		r.engine(Trigger{Spec: "write:*", OnError: Retry, Attempts: 1})
		r.aside("a")
		r.handle.set(func(context.Context, *abi.Batch) error {
			if err := os.RemoveAll(r.store.Folder("letters/p/write-all").Path("")); err != nil {
				t.Error(err)
			}
			return nil
		})
		r.mu.Lock()
		r.log.Reset()
		r.mu.Unlock()
		r.replays(1)
		r.mu.Lock()
		log := r.log.String()
		r.mu.Unlock()
		if strings.Contains(log, "delivered again") || r.status().Letters != 0 {
			t.Errorf("%d letters; %s", r.status().Letters, log)
		}
		r.end()
	})
}

// TestReplayedWithoutState delivers letters to a plugin without state, and times: nothing keeps those after the call.
func TestReplayedWithoutState(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.engine(Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}, Trigger{Spec: "every:1h", OnError: Retry, Attempts: 1})
		r.aside("a")
		r.replays(1)
		if all, _ := r.files(); all != 0 {
			t.Errorf("%d letters", all)
		}
		r.stateful.set(true)
		r.fails(errTest)
		time.Sleep(time.Hour)
		r.done()
		r.fails(nil)
		key := Key{"p", "every-1h"}
		if did, err := r.Replay(r.t.Context(), key); err != nil || did.Delivered != 1 {
			t.Errorf("%+v, %v", did, err)
		}
		if entries, err := os.ReadDir(r.store.Folder("letters/p/every-1h").Path("")); err != nil || len(entries) != 0 {
			t.Errorf("%v, %v", entries, err)
		}
		r.end()
	})
}

// TestDeliveredTakeRoom has as many letters delivered as there may be, and no checkpoint. Whoever can't put another one aside is told that.
func TestDeliveredTakeRoom(t *testing.T) {
	l := letters{folder: newRig(t).store.Folder("letters/p/t"), known: true, delivered: map[uint64]string{}}
	for n := range uint64(maxLetters) {
		l.delivered[n] = ""
	}
	if err := l.write(Letter{}, ".json"); err == nil || !strings.Contains(err.Error(), "deliver the 0 that are there") ||
		!strings.Contains(err.Error(), "10000 were delivered, and stay until the plugin's next checkpoint") {
		t.Error(err)
	}
}
