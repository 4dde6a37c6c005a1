package sohost

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// follows returns a host that follows the images of its directory, and waits long for them to be quiet.
func (w *world) follows(images ...string) *rig {
	for _, image := range images {
		w.file(image[:1], image)
	}
	o := w.options()
	o.Dir, o.Settle = w.dir, 200*time.Millisecond
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
	w.changes("a2", "b2", "e2", "s2", "y2")
	eventually(t, "all but e serve", func() bool { return len(r.history(generations.KindDeploy)) == 4 })
	eventually(t, "e is refused", func() bool { return r.pluginStatus("e").Refused != nil })
	for _, e := range r.history(generations.KindDeploy) {
		if e.Release != 2 || e.Detail != "image changed" {
			t.Errorf("%s came with release %d, by %s", e.Plugin, e.Release, e.Detail)
		}
	}
	r.wants("/a", "a2 2")
	r.wants("/e", "e1 1")
	if phase := r.pluginStatus("e").Refused.Phase; phase != PhaseOpen {
		t.Errorf("refused in phase %s", phase)
	}
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
