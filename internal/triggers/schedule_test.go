package triggers

import (
	"context"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// TestEvery calls at multiples of the period since 1970, however odd the start.
func TestEvery(t *testing.T) {
	in(t, func(r *rig) {
		time.Sleep(1300 * time.Millisecond) // the clock starts at midnight
		r.engine(Trigger{Spec: "every:2s"})
		time.Sleep(5 * time.Second)
		r.wants("every-2s 00:00:02.0/1-0, every-2s 00:00:04.0/1-0, every-2s 00:00:06.0/1-0")
		if s := r.status(); s.Runs != 3 || s.State != Ready || s.Next.Format("05") != "08" {
			t.Errorf("status is %+v", s)
		}
		r.end()
		time.Sleep(5 * time.Second)
		r.wants("")
	})
}

// TestOverlap has calls that last longer than the period. The times that pass meanwhile are skipped and counted.
func TestOverlap(t *testing.T) {
	in(t, func(r *rig) {
		r.schedule.set(func(_ context.Context, tick abi.Tick) error {
			time.Sleep(2500 * time.Millisecond)
			return nil
		})
		r.engine(Trigger{Spec: "every:1s"})
		time.Sleep(7200 * time.Millisecond)
		r.wants("every-1s 00:00:01.0/1-0, every-1s 00:00:04.0/1-2, every-1s 00:00:07.0/1-2")
		if s := r.status(); s.Skipped != 4 || s.State != Running {
			t.Errorf("status is %+v", s)
		}
		r.end()
	})
}

// TestMissed stops for a while. What passed is skipped and counted, or caught up with once.
func TestMissed(t *testing.T) {
	for missed, want := range map[Missed]string{
		Skip: "every-1m0s 00:06:00.0/1-4",
		Once: "every-1m0s 00:05:00.0/1-3, every-1m0s 00:06:00.0/1-0",
	} {
		in(t, func(r *rig) {
			trigger := Trigger{Name: "every-1m0s", Spec: "every:1m", Missed: missed}
			r.engine(trigger)
			time.Sleep(90 * time.Second)
			r.wants("every-1m0s 00:01:00.0/1-0")
			r.end()
			time.Sleep(4 * time.Minute)
			r.engine(trigger)
			time.Sleep(time.Minute)
			r.wants(want)
			r.end()
		})
	}
}

// TestPausedTimes pauses for a handover that fails, and for one that succeeds: a time that passes is caught up with, once, by one of the
// two.
func TestPausedTimes(t *testing.T) {
	in(t, func(r *rig) {
		trigger := Trigger{Spec: "every:1s"}
		r.engine(trigger)
		time.Sleep(1500 * time.Millisecond)
		if err := r.Pause(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wants("every-1s 00:00:01.0/1-0")
		time.Sleep(time.Second)
		r.wants("")
		r.Resume()
		r.wants("every-1s 00:00:02.0/1-0")

		if err := r.Pause(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		saved, giver := r.Save(), r.Engine
		time.Sleep(time.Second)
		r.make(Saved{})
		r.Take(saved)
		r.configure(trigger)
		r.Take(saved)
		giver.End(r.t.Context(), errTest, false)
		r.Start()
		r.wants("every-1s 00:00:03.0/1-0")
		if s := r.status(); s.Runs != 3 {
			t.Errorf("%d runs", s.Runs)
		}
		r.end()
	})
}

// TestPauseWaits waits for the call that runs, and gives up when it takes too long.
func TestPauseWaits(t *testing.T) {
	in(t, func(r *rig) {
		r.schedule.set(func(context.Context, abi.Tick) error {
			time.Sleep(2400 * time.Millisecond) // 0.2 s after its context has ended and the pause was given up
			return nil
		})
		r.engine(Trigger{Spec: "every:1s"})
		time.Sleep(1100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(r.t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := r.Pause(ctx); err == nil {
			t.Error("paused beside a call")
		}
		begun := time.Now()
		if err := r.Pause(r.t.Context()); err != nil || time.Since(begun) != 200*time.Millisecond {
			t.Errorf("paused after %v, %v", time.Since(begun), err)
		}
		r.Resume()
		r.end()
	})
}

// TestAbsent has no plugin for a while: only the newest time is called for, and nothing counts as an error.
func TestAbsent(t *testing.T) {
	in(t, func(r *rig) {
		r.absent.set(errTest)
		r.engine(Trigger{Spec: "every:10s"})
		time.Sleep(33 * time.Second)
		if s := r.status(); s.State != Waiting || s.Why == "" || s.Errors != 0 || s.Runs != 0 {
			t.Errorf("status is %+v", s)
		}
		r.absent.set(nil)
		time.Sleep(8 * time.Second)
		r.wants("every-10s 00:00:30.0/1-2, every-10s 00:00:40.0/1-0")
		r.end()
	})
}

// TestCron follows expressions, in UTC and in a zone, through a change of its clocks.
func TestCron(t *testing.T) {
	day := func(text string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct{ spec, after, want string }{
		{"cron:*/15 * * * *", "2026-11-27 02:16:00", "2026-11-27 02:30:00"},
		{"cron:30 */15 * * * *", "2026-11-27 02:16:00", "2026-11-27 02:30:30"},
		{"cron:0 0 13 * 5", "2026-11-01 00:00:00", "2026-11-06 00:00:00"}, // the 13th, or a Friday
		{"cron:0 0 13 * *", "2026-11-01 00:00:00", "2026-11-13 00:00:00"},
		{"cron:0 0 * * 7", "2026-11-27 00:00:00", "2026-11-29 00:00:00"},
		{"cron:0 0 29 2 *", "2026-11-27 00:00:00", "2028-02-29 00:00:00"},
		{"cron:CRON_TZ=Europe/Berlin 0 6 * * *", "2026-11-27 02:00:00", "2026-11-27 05:00:00"},
		{"cron:CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28 12:00:00", "2026-03-29 01:30:00"}, // 2:30 isn't: 3:30
		{"cron:CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24 12:00:00", "2026-10-25 00:30:00"}, // 2:30 is twice
		{"cron:CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25 00:30:00", "2026-10-25 01:30:00"},
	} {
		s, err := Parse(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(day(test.after)); !got.Equal(day(test.want)) {
			t.Errorf("%s after %s is at %v, want %s", test.spec, test.after, got, test.want)
		}
	}
}

// TestQuietSchedule sleeps until something is due, but for a look at the clock from time to time.
func TestQuietSchedule(t *testing.T) {
	in(t, func(r *rig) {
		r.engine(Trigger{Spec: "cron:0 6 * * *"}, Trigger{Spec: "write:*"})
		time.Sleep(7 * time.Hour)
		r.wants("cron-0-6-all-all-all 06:00:00.0/1-0")
		r.end()
	})
}

// TestEndLate ends when there is no time left. That is no error unless a call runs, whose context then ends.
func TestEndLate(t *testing.T) {
	in(t, func(r *rig) {
		late, cancel := context.WithCancel(r.t.Context())
		cancel()
		for range 20 {
			r.engine(Trigger{Spec: "every:1h"})
			if err := r.End(late, errTest, true); err != nil {
				t.Fatal(err)
			}
		}
		r.schedule.set(func(ctx context.Context, _ abi.Tick) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r.engine(Trigger{Spec: "every:1s"})
		time.Sleep(1500 * time.Millisecond)
		if err := r.End(late, errTest, true); err == nil {
			t.Error("a call was cut off, and nothing was said")
		}
	})
}
