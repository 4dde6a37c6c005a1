package triggers

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/abi"
)

// TestDeliver hands writes to those who want them, in order, one call at a time.
func TestDeliver(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:cpu"}, Trigger{Spec: "all_tables"})
		if d := r.write(); !isDone(d) || d.Err() != nil {
			t.Errorf("nothing: %v", d.Err())
		}
		r.write("mem:2")
		r.wants("write-all mem:2 0/1")
		d := r.write("cpu:3", "mem", "cpu:1")
		if got := r.done(); !isDone(d) || !strings.Contains(got, "write-all cpu:3+mem:1+cpu:1 0/1") || !strings.Contains(got, "write-cpu cpu:3+cpu:1 0/1") {
			t.Errorf("calls: %s", got)
		}
		let := make(chan struct{})
		r.handle.set(func(context.Context, *abi.Batch) error {
			<-let
			return nil
		})
		first, second := r.write("mem"), r.write("disk")
		r.wants("write-all mem:1 0/1")
		if s := r.status("write-all"); s.State != Running || s.Writes != 2 || s.Rows != 2 || s.Bytes == 0 || s.Oldest.IsZero() {
			t.Errorf("status is %+v", s)
		}
		let <- struct{}{}
		r.wants("write-all disk:1 0/1")
		if !isDone(first) || isDone(second) {
			t.Error("what isn't handled is done")
		}
		close(let)
		if !isDone(second) {
			t.Error("what is handled isn't done")
		}
		r.end()
		if _, err := r.Deliver(r.t.Context(), "db", nil); err == nil {
			t.Error("delivered after the end")
		}
	})
}

// TestFull fills a queue. A write that has no room in one is in none; an empty queue takes any.
func TestFull(t *testing.T) {
	in(t, func(r *rig) {
		r.absent.set(errTest)
		r.engine(Trigger{Spec: "write:cpu", QueueRows: 5}, Trigger{Spec: "write:*"}, Trigger{Spec: "write:log", QueueBytes: 100})
		r.write("cpu:9")
		r.write("log:5")
		if _, err := r.Deliver(r.t.Context(), "db", tables("mem", "log:5")); !errors.Is(err, ErrFull) {
			t.Fatalf("a full queue: %v", err)
		}
		if s := r.status("write-all"); s.Writes > 2 {
			t.Errorf("a part of the write was taken: %+v", s)
		}
		if _, err := r.Deliver(r.t.Context(), "db", tables("mem", "cpu")); !errors.Is(err, ErrFull) {
			t.Errorf("a full queue: %v", err)
		}
		r.done()
		if s := r.status("write-cpu"); s.Refused != 1 || s.Rows != 9 || s.State != Waiting {
			t.Errorf("status is %+v", s)
		}
		r.absent.set(nil)
		time.Sleep(10 * time.Second)
		r.write("cpu")
		r.end()
	})
}

// TestPolicies fails calls under each policy.
func TestPolicies(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:log"}, Trigger{Spec: "write:retry", OnError: Retry, Attempts: 3}, Trigger{Spec: "write:disable", OnError: Disable})
		r.fails(errTest)
		d := r.write("log")
		r.wants("write-log log:1 0/1")
		if s := r.status("write-log"); !isDone(d) || s.Errors != 1 || s.LastError != errTest.Error() || s.State != Ready {
			t.Errorf("log: %+v", s)
		}

		d = r.write("retry:2")
		later := r.write("retry:1")
		r.wants("write-retry retry:2 0/1")
		if s := r.status("write-retry"); isDone(d) || s.State != Retrying || s.Next.IsZero() {
			t.Errorf("retry: %+v", s)
		}
		time.Sleep(1300 * time.Millisecond)
		r.wants("write-retry retry:2 0/2")
		for r.status("write-retry").Letters == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		r.wants("write-retry retry:2 0/3, write-retry retry:1 0/1")
		if s := r.status("write-retry"); !isDone(d) || d.Err() != nil || s.Letters != 1 {
			t.Errorf("retry: %+v", s)
		}
		r.fails(permanentError{errTest})
		time.Sleep(2 * time.Second)
		r.wants("write-retry retry:1 0/2")
		if s := r.status("write-retry"); !isDone(later) || s.Letters != 2 {
			t.Errorf("permanent: %+v", s)
		}

		d = r.write("disable:7")
		r.wants("write-disable disable:7 0/1")
		r.write("disable:8")
		r.wants("")
		if s := r.status("write-disable"); !isDone(d) || s.State != Disabled || s.Why == "" || s.PassedBy != 1 || s.Letters != 1 {
			t.Errorf("disable: %+v", s)
		}
		r.end()
	})
}

// TestDisabledStays disables a trigger by its policy, with more in its queue. After a restart it is disabled still, and once enabled it
// gets all of that before anything else, and once.
func TestDisabledStays(t *testing.T) {
	in(t, func(r *rig) {
		trigger := Trigger{Spec: "write:*", OnError: Disable}
		r.absent.set(errTest)
		r.engine(trigger)
		r.write("a")
		d := r.write("b")
		r.fails(errTest)
		r.absent.set(nil)
		time.Sleep(10 * time.Second)
		r.wants("write-all a:1 0/1")
		if !isDone(d) || d.Err() != nil {
			t.Errorf("what is put aside isn't done: %v", d.Err())
		}
		r.end()
		r.engine(trigger)
		if s := r.status(); s.State != Disabled || s.Letters != 2 {
			t.Errorf("after a restart: %+v", s)
		}
		if _, err := r.Replay(r.t.Context(), Key{"p", "write-all"}); err == nil {
			t.Error("replayed for a disabled trigger")
		}
		r.fails(nil)
		if err := r.Enable(Key{"p", "write-all"}); err != nil {
			t.Error(err)
		}
		r.write("c")
		r.wants("write-all a:1 0/1, write-all b:1 0/1, write-all c:1 0/1")
		if s := r.status(); s.Letters != 0 || s.State != Ready {
			t.Errorf("enabled: %+v", s)
		}
		r.end()
		r.engine(trigger)
		r.wants("")
		if s := r.status(); s.State != Ready {
			t.Errorf("after another restart: %+v", s)
		}
		r.end()
	})
}

// TestDisableByCommand disables a trigger whose call runs, and enables it before that has returned.
func TestDisableByCommand(t *testing.T) {
	in(t, func(r *rig) {
		let := make(chan struct{})
		r.handle.set(func(context.Context, *abi.Batch) error {
			<-let
			return nil
		})
		key := Key{"p", "write-all"}
		r.engine(Trigger{Spec: "write:*"})
		r.write("a")
		r.write("b")
		r.wants("write-all a:1 0/1")
		if err := r.Disable(key); err != nil {
			t.Error(err)
		}
		if s := r.status(); s.Letters != 1 || s.Writes != 1 || s.Rows != 1 {
			t.Errorf("status is %+v", s)
		}
		if err := r.Enable(key); err != nil {
			t.Error(err)
		}
		r.write("c")
		close(let)
		r.wants("write-all b:1 0/1, write-all c:1 0/1")
		if s := r.status(); s.Letters != 0 || s.Rows != 0 || s.Bytes != 0 {
			t.Errorf("status is %+v", s)
		}
		r.end()
	})
}

// TestReplay delivers again what was put aside, rows and a time. What fails again stays.
func TestReplay(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:*", OnError: Retry, Attempts: 1}, Trigger{Spec: "every:1h", OnError: Retry, Attempts: 1})
		r.fails(errTest)
		rows := tables("a:2")
		rows[0].Columns = append(rows[0].Columns, abi.Column{Name: "f", Kind: abi.Float, Floats: []float64{math.NaN(), 1e300}, Absent: []uint64{1 << 63}})
		if _, err := r.Deliver(r.t.Context(), "db", rows); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.done()
		written, times := Key{"p", "write-all"}, Key{"p", "every-1h"}
		if did, err := r.Replay(r.t.Context(), written); err != nil || did.Failed != 1 || did.Error != errTest.Error() {
			t.Errorf("replayed %+v, %v", did, err)
		}
		r.done()
		r.fails(nil)
		r.handle.set(func(_ context.Context, b *abi.Batch) error {
			c := b.Tables[0].Columns[1]
			if b.Database != "db" || !math.IsNaN(c.Floats[0]) || c.Floats[1] != 1e300 || c.Absent[0] != 1<<63 || c.Kind != abi.Float {
				t.Errorf("replayed is %+v", b)
			}
			return nil
		})
		for _, key := range []Key{written, times} {
			if did, err := r.Replay(r.t.Context(), key); err != nil || did.Delivered != 1 || did.Failed != 0 {
				t.Errorf("replayed %+v, %v", did, err)
			}
			if s := r.status(key.Name); s.Letters != 0 {
				t.Errorf("%+v", s)
			}
		}
		r.wants("write-all a:2 0/1, every-1h 01:00:00.0/1-0")
		r.end()
	})
}

// TestPauseRows pauses with rows in the queue, whose writer waits. They are delivered first, or fail. Writes that come meanwhile wait, and
// go to who is next.
func TestPauseRows(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:*", OnError: Retry})
		r.handle.set(func(_ context.Context, b *abi.Batch) error {
			if b.Attempt == 1 {
				return errTest
			}
			return nil
		})
		d := r.write("a")
		r.wants("write-all a:1 0/1")
		if err := r.Pause(r.t.Context()); err != nil { // the pause between two attempts is cut short
			t.Error(err)
		}
		r.wants("write-all a:1 0/2")
		if !isDone(d) || d.Err() != nil {
			t.Errorf("it isn't handled: %v", d.Err())
		}
		var late error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, late = r.Deliver(r.t.Context(), "db", tables("b"))
		}()
		synctest.Wait()
		r.wants("")
		r.Resume()
		<-done
		if r.wants("write-all b:1 0/1"); late != nil {
			t.Error(late)
		}
		time.Sleep(time.Minute)
		r.done()

		r.absent.set(errTest)
		waits := r.write("u")
		time.Sleep(time.Second)
		if err := r.Pause(r.t.Context()); err != nil {
			t.Error(err)
		}
		if !isDone(waits) || waits.Err() == nil {
			t.Errorf("what wasn't handled: %v", waits.Err())
		}
		why := errors.New("gone")
		r.End(r.t.Context(), why, false)
		if _, err := r.Deliver(r.t.Context(), "db", nil); err != why {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestGoexit has a plugin that panics, and one that ends the goroutine. The trigger goes on.
func TestGoexit(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:*"})
		r.handle.set(func(context.Context, *abi.Batch) error { panic("oh") })
		r.write("a")
		r.done()
		r.handle.set(func(context.Context, *abi.Batch) error { runtime.Goexit(); return nil })
		d := r.write("a")
		r.done()
		if s := r.status(); s.Errors != 2 || !isDone(d) {
			t.Errorf("%+v", s)
		}
		r.handle.set(nil)
		r.write("b")
		r.wants("write-all b:1 0/1")
		r.end()
	})
}

// TestUnwritable can't put anything aside. With retry it is tried on, with disable the writer is told.
func TestUnwritable(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:a", OnError: Retry, Attempts: 1}, Trigger{Spec: "write:b", OnError: Disable})
		r.fails(errTest)
		r.store.Close()
		a, b := r.write("a"), r.write("b")
		if !isDone(b) || b.Err() == nil || isDone(a) {
			t.Errorf("%v", b.Err())
		}
		if s := r.status("write-b"); s.State != Disabled {
			t.Errorf("%+v", s)
		}
		r.fails(nil)
		time.Sleep(2 * time.Minute)
		if !isDone(a) || a.Err() != nil {
			t.Error("it wasn't tried on")
		}
		r.Pause(r.t.Context())
		r.End(r.t.Context(), errTest, false)
	})
}

// TestDeliverConcurrently has many writers. Each trigger gets all writes once, in their order.
func TestDeliverConcurrently(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	got := map[string][]int64{}
	r.handle.set(func(_ context.Context, b *abi.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		got[b.Trigger.Name] = append(got[b.Trigger.Name], b.Tables[0].Times[0])
		return nil
	})
	r.engine(Trigger{Spec: "write:a"}, Trigger{Spec: "write:*"})
	const writes = 500
	var written int64
	var order sync.Mutex
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range writes {
				order.Lock()
				written++
				d, err := r.Deliver(t.Context(), "db", []abi.Table{{Name: "a", Times: []int64{written}}})
				order.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				<-d.Done()
			}
		})
	}
	writers.Wait()
	r.end()
	for _, name := range []string{"write-a", "write-all"} {
		for i, n := range got[name] {
			if n != int64(i+1) {
				t.Fatalf("%s: write %d is the %d-th", name, n, i+1)
			}
		}
		if len(got[name]) != 4*writes {
			t.Errorf("%s: %d writes", name, len(got[name]))
		}
	}
}
