package triggers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// TestInterrupt pauses triggers whose calls outlast the limit. They are interrupted, which is no error, and made again by the next process:
// the time with the same Due and Attempt, rows of the backlog with the same Seq, once. A writer who waits is told.
func TestInterrupt(t *testing.T) {
	in(t, func(r *rig) {
		r.shelf = newShelf()
		r.shelf.put("disk")
		r.engine(Trigger{Spec: "every:1m", OnError: Disable}, Trigger{Spec: "write:cpu", OnError: Disable}, Trigger{Spec: "write:mem", OnError: Disable})
		r.schedule.set(func(ctx context.Context, _ abi.Tick) error { <-ctx.Done(); return ctx.Err() })
		r.handle.set(func(ctx context.Context, _ *abi.Batch) error { <-ctx.Done(); return context.Cause(ctx) })
		time.Sleep(time.Minute)
		r.shelf.put("cpu")
		waits := r.write("mem")
		behind := r.write("mem")
		calls := r.done()
		for _, want := range []string{"every-1m 00:01:00.0/1-0", "write-cpu cpu:1 2/1", "write-mem mem:1 0/1"} {
			if !strings.Contains(calls, want) {
				t.Errorf("no call %s in %s", want, calls)
			}
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		if err := r.Pause(ctx); err != nil || time.Since(begin) != 10*time.Second {
			t.Errorf("paused after %v: %v", time.Since(begin), err)
		}
		if !isDone(waits) || waits.Err() == nil || !isDone(behind) || behind.Err() == nil || r.status("write-cpu").Cursor != 1 {
			t.Errorf("the writers: %v, %v; the backlog: %+v", waits.Err(), behind.Err(), r.status("write-cpu"))
		}
		for _, s := range r.Status() {
			if s.State == Disabled || s.Errors != 0 || s.Letters != 0 {
				t.Errorf("an interruption counts as an error: %+v", s)
			}
		}
		saved := r.Save()
		r.End(r.t.Context(), errTest, false)
		r.fails(nil)
		r.make(saved)
		r.configure(Trigger{Spec: "every:1m", OnError: Disable}, Trigger{Spec: "write:cpu"}, Trigger{Spec: "write:mem"})
		r.Take(saved)
		r.Start()
		if calls := r.done(); calls != "every-1m 00:01:00.0/1-0, write-cpu cpu:1 2/1" && calls != "write-cpu cpu:1 2/1, every-1m 00:01:00.0/1-0" {
			t.Errorf("the next process makes the calls %s", calls)
		}
		if s := r.status("write-cpu"); s.Cursor != 2 {
			t.Errorf("%+v", s)
		}
		r.end()
	})
}

// TestInterruptInVain pauses a trigger whose call heeds nothing. The error names it, and it goes on.
func TestInterruptInVain(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "write:cpu"})
		let := make(chan struct{})
		r.handle.set(func(context.Context, *abi.Batch) error { <-let; return nil })
		d := r.write("cpu")
		r.wants("write-cpu cpu:1 0/1")
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		err := r.Pause(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "p/write-cpu for 12s") {
			t.Errorf("paused: %v", err)
		}
		close(let)
		if !isDone(d) || d.Err() != nil {
			t.Errorf("the write: %v", d.Err())
		}
		r.handle.set(nil)
		if d := r.write("cpu"); !isDone(d) || d.Err() != nil {
			t.Errorf("a later write: %v", d.Err())
		}
		r.end()
	})
}
