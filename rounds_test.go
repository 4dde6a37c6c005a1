package sohost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// follows returns a host that follows the images of its directory, and waits long for them to be quiet.
func (w *world) follows(images ...string) *rig {
	w.t.Helper()
	return w.followsWith(func(*Options) {}, images...)
}

func (w *world) followsWith(set func(*Options), images ...string) *rig {
	w.t.Helper()
	for _, image := range images {
		w.file(image[:1], image)
	}
	o := w.options()
	o.Dir, o.Settle = w.dir, 200*time.Millisecond
	set(&o)
	r := w.host(o)
	eventually(w.t, "each file was looked at once more", func() bool {
		r.rounds.mu.Lock()
		defer r.rounds.mu.Unlock()
		return len(r.rounds.coming)+len(r.rounds.within) == 0
	})
	return r
}

// changes writes images at the same time.
func (w *world) changes(images ...string) {
	for _, image := range images {
		w.file(image[:1], image)
	}
}

// TestRound makes one release of what changes at the same time. A bad image stops no other.
func TestRound(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1", "e1", "s1", "y1")
	r.wants("/a", "a1 1")
	w.fail("e2 open", fails)
	w.fail("a2 check", func(context.Context) error { // as if that had been a part of what is done beforehand
		r.readied.spent("a", PhaseProbe, time.Now().Add(-time.Hour))
		return nil
	})
	w.changes("a2", "b2", "e2", "s2", "y2")
	eventually(t, "all but e serve", func() bool { return len(r.history(generations.KindDeploy)) == 4 })
	eventually(t, "e is refused", func() bool { return r.pluginStatus("e").Refused != nil })
	for _, e := range r.history(generations.KindDeploy) {
		if e.Release != 2 || e.Detail != "image changed" {
			t.Errorf("%s came with release %d, by %s", e.Plugin, e.Release, e.Detail)
		}
		if e.Plugin == "a" && e.Phases["probe"] < time.Hour {
			t.Errorf("the phases are %v, without what was done beforehand", e.Phases)
		}
	}
	r.wants("/a", "a2 2")
	r.wants("/e", "e1 1")
	if phase := r.pluginStatus("e").Refused.Phase; phase != PhaseOpen {
		t.Errorf("refused in phase %s", phase)
	}
	eventually(t, "the round is over", func() bool { return r.ledger.Pinned() == 0 })
	eventually(t, "what was refused leaves the store", func() bool {
		_, err := r.store.Object(w.imageID("e2"))
		return errors.Is(err, generations.ErrNotStored)
	})
	w.changes("s3")
	eventually(t, "s3 serves", func() bool { return strings.HasPrefix(r.get("/s"), "s3 ") })
}

// TestRoundSlow publishes what is ready without a plugin that takes its time, which makes a release of its own.
func TestRoundSlow(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1", "s1")
	started, goOn := make(chan struct{}), make(chan struct{})
	w.fail("b2 Start", func(context.Context) error { close(started); <-goOn; return nil })
	w.changes("a2", "b2", "s2")
	<-started
	eventually(t, "a and s are published", func() bool { return len(r.history(generations.KindDeploy)) == 2 })
	close(goOn)
	eventually(t, "b is published", func() bool { return len(r.history(generations.KindDeploy)) == 3 })
	for _, e := range r.history(generations.KindDeploy) {
		if want := map[string]int{"a": 2, "b": 3, "s": 2}[e.Plugin]; e.Release != want {
			t.Errorf("%s came with release %d, want %d", e.Plugin, e.Release, want)
		}
	}
}

// TestRoundBusy doesn't wait for a plugin that is being deployed.
func TestRoundBusy(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1", "s1")
	started, goOn := make(chan struct{}), make(chan struct{})
	w.fail("b2 Start", func(context.Context) error { close(started); <-goOn; return nil })
	w.changes("b2")
	<-started
	w.changes("a3", "b3", "s3")
	eventually(t, "a3 serves", func() bool { return strings.HasPrefix(r.get("/a"), "a3 ") })
	eventually(t, "s3 serves", func() bool { return strings.HasPrefix(r.get("/s"), "s3 ") })
	close(goOn)
	eventually(t, "b3 serves", func() bool { return strings.HasPrefix(r.get("/b"), "b3 ") })
}

// TestRoundYields gives the plugins that have not begun to a handover that asks for them, and reloads them when it is over.
func TestRoundYields(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1", "s1")
	started, goOn := make(chan struct{}), make(chan struct{})
	w.fail("a2 New", func(context.Context) error { close(started); <-goOn; return nil })
	w.changes("a2", "b2", "s2")
	<-started
	r.turnstile.shut()
	close(goOn)
	eventually(t, "a is published", func() bool { return len(r.history(generations.KindDeploy)) == 1 })
	owned := r.plugins()
	for _, p := range owned {
		<-p.owner // the handover can have it
	}
	r.wants("/b", "b1 1")
	for _, p := range owned {
		p.disown()
	}
	r.turnstile.open()
	eventually(t, "b2 serves", func() bool { return strings.HasPrefix(r.get("/b"), "b2 ") })
	eventually(t, "s2 serves", func() bool { return strings.HasPrefix(r.get("/s"), "s2 ") })
}

// TestRoundDeploy deploys another image of a plugin that a round has refused, before the round is over.
func TestRoundDeploy(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1")
	started, goOn := make(chan struct{}), make(chan struct{})
	defer close(goOn)
	w.fail("a2 open", fails)
	w.fail("b2 Start", func(context.Context) error { close(started); <-goOn; return nil })
	w.changes("a2", "b2")
	<-started
	r.mustDeploy("a3")
	r.wants("/a", "a3 1")
}

// TestRoundUntrusted runs nothing of an image that is refused for where it is, not even in a probe.
func TestRoundUntrusted(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1", "b1")
	outside := filepath.Join(t.TempDir(), "a.so")
	if err := os.WriteFile(outside, []byte("a2"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	w.done()
	w.changes("b2")
	if err := os.Rename(link, filepath.Join(w.dir, "a.so")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b2 serves", func() bool { return strings.HasPrefix(r.get("/b"), "b2 ") })
	eventually(t, "a is refused", func() bool { return r.pluginStatus("a").Refused != nil })
	if done := w.done("check", "probe", "open"); strings.Contains(done, "a2") {
		t.Errorf("was done: %s", done)
	}
}

// TestRoundHandover has an image that needs a handover, which fails. Each beginning that is told has an end.
func TestRoundHandover(t *testing.T) {
	w := newWorld(t)
	told := new(told)
	r := w.followsWith(func(o *Options) {
		o.Events = told.add
		o.Process = &Process{Handover: func(context.Context, string) error { return errFault }}
	}, "a1", "b1")
	told.take()
	w.fail("a2 open", fails)
	w.changes("a2", "b2")
	eventually(t, "a is refused", func() bool { return r.pluginStatus("a").Refused != nil })
	r.tasksSettle()
	got := told.take()
	if begun, ended := strings.Count(got, "reload a"), strings.Count(got, "defer a"); begun != 2 || ended != 2 || strings.Count(got, "refuse a") != 1 {
		t.Errorf("%d reloads begin and %d are left to a handover: %s", begun, ended, got)
	}
}

// TestRoundForgotten has a plugin forgotten just when its file has changed. No round waits for it.
func TestRoundForgotten(t *testing.T) {
	w := newWorld(t)
	r := w.follows("a1")
	p := r.newPlugin(Plugin{Name: "n", Image: filepath.Join(w.dir, "n.so")})
	r.rounds.expect(p)
	close(p.forgotten)
	p.follow()
	r.rounds.expect(p) // by an event that was on its way
	r.rounds.mu.Lock()
	defer r.rounds.mu.Unlock()
	if len(r.rounds.coming) > 0 {
		t.Error("a plugin that is forgotten is still expected")
	}
}

// TestRoundClose closes a host whose round waits for a file that is being written.
func TestRoundClose(t *testing.T) {
	w := newWorld(t)
	r := w.followsWith(func(o *Options) { o.Settle = time.Hour }, "a1", "b1")
	w.changes("b2")
	calm := func() bool {
		select {
		case <-r.watcher.Calm():
			return true
		default:
			return false
		}
	}
	eventually(t, "b has changed", func() bool { return !calm() })
	p, err := r.plugin("a")
	if err != nil {
		t.Fatal(err)
	}
	w.changes("a2")
	r.rounds.expect(p)
	p.changed.up()
	eventually(t, "a waits for b", func() bool {
		r.rounds.mu.Lock()
		defer r.rounds.mu.Unlock()
		return r.rounds.running
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}
