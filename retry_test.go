package sohost

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/inflight"
)

// exited is the crash of a process that exited while an image was in a call. ago is how long that is ago.
func exited(ago time.Duration, plugin string, image generations.ID) Crash {
	return Crash{
		Ended: time.Now().Add(-ago), Exit: "exit status 3", Output: "words",
		Calls: &Calls{Images: []inflight.Image{{Plugin: plugin, Image: image, Calls: 1}}},
	}
}

// TestTriedAgain tries an image in quarantine again when its time has come, and lifts its quarantine when it has passed its
// probation. One that is the only image of its plugin leaves the plugin out of service until then.
func TestTriedAgain(t *testing.T) {
	for _, only := range []bool{false, true} {
		w := newWorld(t)
		image := w.imageID("a1")
		r := w.boots("a1", "b1")
		if !only {
			image = w.imageID("a2")
			r.confirm()
			r.mustDeploy("a2")
		}
		r.Close(t.Context())
		o := w.options("a", "b")
		o.Process = &Process{Crashes: []Crash{exited(0, "a", image)}, CrashesInARow: 1}
		if only { // the first time it gets another chance
			o.Process.Crashes = append(o.Process.Crashes, exited(-time.Second, "a", image))
		}
		r = w.host(o)
		q, err := r.Quarantines()
		if err != nil || len(q) != 1 || q[0].Image != image || !q[0].Next.After(time.Now()) {
			t.Fatalf("in quarantine are %+v, %v", q, err)
		}
		if s := r.pluginStatus("a"); only && (s.Refused == nil || !s.Refused.Retry.Equal(q[0].Next) || !s.Generation.IsZero()) {
			t.Errorf("the status is %+v", s)
		}
		if code, text := r.request("/a"); only && (code != 503 || !strings.Contains(text, "plugin a is out of service: it has failed, and is tried again in ")) {
			t.Errorf("answers %d %s", code, text)
		}
		r.Close(t.Context())

		q[0].Next, q[0].NextUptime = time.Now(), Uptime{} // a minute later
		s, err := generations.OpenStore(w.store, generations.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.UpdateQuarantine(q[0]); err != nil {
			t.Fatal(err)
		}
		s.Close()
		r = w.host(w.options("a", "b"))
		eventually(t, "the image serves again", func() bool { return r.pluginStatus("a").Generation == image })
		if q, err = r.Quarantines(); err != nil || len(q) != 1 || q[0].Tries != 1 || time.Until(q[0].Next) < time.Minute {
			t.Errorf("while it is tried in quarantine are %+v, %v", q, err)
		}
		eventually(t, "the release is published", func() bool { return r.ledger.Current().Plugins["a"].Image == image })
		r.confirm()
		if q, err := r.Quarantines(); err != nil || len(q) != 0 {
			t.Errorf("after its probation in quarantine are %+v, %v", q, err)
		}
	}
}

// TestTriedAgainFromFile tries an image again that no release has ever named, because it ended the process in its New.
func TestTriedAgainFromFile(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	s, err := generations.OpenStore(w.store, generations.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	due := generations.Quarantine{Image: w.imageID("a1"), Plugin: "a", Time: time.Now(), Next: time.Now().Add(time.Second)}
	if err := s.Quarantine(due); err != nil {
		t.Fatal(err)
	}
	s.Close()
	r := w.host(w.options("a"))
	eventually(t, "the image serves", func() bool { return r.pluginStatus("a").Generation == due.Image })
}

// TestTriedAgainInVain has an image end the process again when it is tried again: if there is another one, that is the last time.
func TestTriedAgainInVain(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.confirm()
	r.mustDeploy("a2")
	a2 := w.imageID("a2")
	tried := generations.Quarantine{Image: a2, Plugin: "a", Time: time.Now(), Tries: 1, Evidence: "strong", Next: time.Now().Add(time.Hour)}
	if err := r.store.Quarantine(tried); err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	o := w.options("a")
	o.Process = &Process{Crashes: []Crash{exited(0, "a", a2)}, CrashesInARow: 1}
	r = w.host(o)
	q, err := r.Quarantines()
	if err != nil || len(q) != 1 || !q[0].Next.IsZero() || q[0].Evidence != "certain" || !strings.Contains(q[0].Reason, "for the 2nd time") {
		t.Errorf("in quarantine are %+v, %v", q, err)
	}
	r.wants("/a", "a1 1")
}

// TestNotTriedAgain leaves an image in quarantine alone if it isn't wanted any more.
func TestNotTriedAgain(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.confirm()
	r.mustDeploy("a2")
	if _, err := r.Rollback(t.Context(), RollbackOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{"a2", "a3"} { // rolled back, and never served
		due := generations.Quarantine{Image: w.imageID(image), Plugin: "a", Time: time.Now(), Next: time.Now().Add(-time.Minute)}
		if err := r.store.Quarantine(due); err != nil {
			t.Fatal(err)
		}
	}
	if next, waiting := r.nextRetry(); waiting {
		t.Errorf("to be tried again is %+v", next)
	}
}

// TestHandedOverOnTrial hands over a plugin whose image is tried again although it is in quarantine.
func TestHandedOverOnTrial(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o, lock := w.giverOptions("a")
	r := w.host(o)
	tried := generations.Quarantine{Image: w.imageID("a1"), Plugin: "a", Time: time.Now(), Tries: 1, Next: time.Now().Add(time.Hour)}
	if err := r.store.Quarantine(tried); err != nil {
		t.Fatal(err)
	}
	to, _, giveErr, takeErr := r.handover(context.Background(), lock, GiveOptions{})
	if giveErr != nil || takeErr != nil {
		t.Fatalf("the handover fails: %v, %v", giveErr, takeErr)
	}
	to.wants("/a", "a1 1")
	to.confirm()
	if q, err := to.Quarantines(); err != nil || len(q) != 0 {
		t.Errorf("after its probation in quarantine are %+v, %v", q, err)
	}
}

// TestPause waits for an image as long as from the beginning, whatever somebody sets the clock to.
func TestPause(t *testing.T) {
	due := generations.Now().Add(time.Minute)
	for what, change := range map[string]func(*generations.Moment){
		"set back":                      func(m *generations.Moment) { m.Time = m.Time.Add(24 * time.Hour) },
		"set forward":                   func(m *generations.Moment) { m.Time = m.Time.Add(-24 * time.Hour) },
		"set back and booted":           func(m *generations.Moment) { m.Time, m.Uptime = m.Time.Add(24*time.Hour), Uptime{} },
		"set back and booted by itself": func(m *generations.Moment) { m.Time, m.Uptime.Boot = m.Time.Add(24*time.Hour), "another" },
	} {
		m := due
		change(&m)
		if in := pause(m, 0); in > time.Minute || in < time.Second {
			t.Errorf("with the clock %s an image is due in %v", what, in)
		}
	}
}
