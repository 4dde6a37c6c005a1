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
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/passing"
)

// starts is boots for a host that isn't waited for.
func (w *world) starts(o Options) *rig {
	w.t.Helper()
	h, err := startHost(w.t.Context(), o, w.loader())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { h.Close(context.Background()) })
	return &rig{h, w}
}

// holds makes an event wait until it is let go.
func (w *world) holds(event string) (begun <-chan struct{}, letGo func()) {
	inside, free := make(chan struct{}), make(chan struct{})
	w.fail(event, func(ctx context.Context) error {
		close(inside)
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	return inside, func() { close(free) }
}

// TestServesWhileBooting has one plugin whose New takes long: the others serve, and their state is checkpointed. Its callers wait at
// first and get 503 later. A deploy waits for the end of the boot, which publishes one release.
func TestServesWhileBooting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, image := range []string{"a1", "b1", "e1"} {
		w.file(image[:1], image)
	}
	inNew, letGo := w.holds("b1 New")
	o := w.options("a", "b", "e")
	o.CheckpointInterval, o.BootWait = 12*time.Millisecond, 10*time.Second // in which e begins to serve, on a busy machine as well
	var told []string
	o.Process = &Process{Booting: func(p BootProgress) { told = append(told, p.String()) }}
	r := w.starts(o)
	early := make(chan string)
	<-inNew
	r.wants("/a", "a1 1")
	go func() { early <- r.get("/b") }()
	r.wants("/e", "e1 1") // its callers wait until it begins beside b
	eventually(t, "there is a checkpoint", func() bool {
		_, err := os.Stat(filepath.Join(w.store, "state", "a.cbor"))
		return err == nil
	})
	eventually(t, "e counts as booted", func() bool { b := r.StatusBrief().Booting; return b == nil || b.Done == 2 })
	if s := r.StatusBrief(); s.Booting == nil || s.Booting.String() != "booted 2 of 3 plugins; pending: b" || !s.Plugins[1].Booting || s.Release != 0 {
		t.Errorf("the status is %s", mustJSON(t, s))
	}
	const out = "503 plugin b is out of service: it still boots"
	if got := <-early; got != out {
		t.Errorf("a caller who has waited got %q", got)
	}
	r.wants("/b", out)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Deploy(ended, map[string]string{"a": ""}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the server still boots (booted 2 of 3") {
		t.Errorf("a deploy gives %v", err)
	}
	deployed := make(chan error)
	go func() {
		_, err := r.deploy("a2")
		deployed <- err
	}()
	letGo()
	if err := errors.Join(r.Booted(t.Context()), <-deployed); err != nil {
		t.Fatal(err)
	}
	r.wants("/b", "b1 1")
	r.wants("/a", "a2 2")
	if first, err := r.store.Release(1); err != nil || len(first.Plugins) != 3 || first.Plugins["a"].Image != w.imageID("a1") || r.CurrentRelease() != 2 {
		t.Errorf("%v, the first release is %s", err, mustJSON(t, first))
	}
	if got, want := strings.Join(told, "|"), "booted 0 of 3 plugins; pending: a, b, e|booted 1 of 3 plugins; pending: b, e|"+
		"booted 2 of 3 plugins; pending: b|booted 3 of 3 plugins"; got != want {
		t.Errorf("told was %s\nwant     %s", got, want)
	}
	if s := r.StatusBrief(); s.Booting != nil {
		t.Errorf("after the boot the status has %v", s.Booting)
	}
}

// TestCallersWaitForBoot lets callers of a plugin wait that is up a little later, as after a crash.
func TestCallersWaitForBoot(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	inNew, letGo := w.holds("a1 New")
	r := w.starts(w.options("a"))
	<-inNew
	got := make(chan string)
	go func() { got <- r.get("/a") }()
	eventually(t, "it waits", func() bool { return len(r.waiting.all()) == 1 })
	letGo()
	if text := <-got; text != "a1 1" {
		t.Errorf("it gets %q", text)
	}
}

// TestSlowInit has one plugin whose init takes long, in the probe as well: the others don't wait for it, and it is opened last.
func TestSlowInit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, image := range []string{"a1", "b1", "s1"} {
		w.file(image[:1], image)
	}
	w.fail("a1+b1+s1 probe", fails)
	inProbe, probed := w.holds("a1 probe")
	inOpen, opened := w.holds("a1 open")
	r := w.starts(w.options("a", "b", "s"))
	<-inProbe
	slow := time.After(slowProbe)
	r.wants("/b", "b1 1")
	r.wants("/s", "s1 1")
	<-slow // from here on the probe has taken long
	probed()
	<-inOpen
	opened()
	if err := r.Booted(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wants("/a", "a1 1")
	if got, want := w.done("open"), "b1 open, s1 open, a1 open"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
	if s := r.pluginStatus("a").Last; s.Phases[PhaseProbe] < slowProbe {
		t.Errorf("the probe took %v", s.Phases[PhaseProbe])
	}
}

// TestCloseWhileBooting closes a host while a plugin boots: the boot ends, what serves is checkpointed, and no release is published.
func TestCloseWhileBooting(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	inNew, _ := w.holds("b1 New")
	r := w.starts(w.options("a", "b"))
	<-inNew
	r.wants("/a", "a1 1")
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Booted(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("the boot gives %v", err)
	}
	if _, err := r.deploy("a2"); !errors.Is(err, ErrClosed) {
		t.Errorf("a deploy gives %v", err)
	}
	w.fail("b1 New", nil)
	r = w.boots("a1", "b1")
	r.wants("/a", "a1 2")
	if r.CurrentRelease() != 1 || r.onDisk() != "0 trials, 0 pins" {
		t.Errorf("release %d, left behind %s", r.CurrentRelease(), r.onDisk())
	}
}

// TestBootEnds boots with a context that ends, as when the server is told to stop: what serves goes on until Close.
func TestBootEnds(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	inNew, _ := w.holds("b1 New")
	ctx, cancel := context.WithCancelCause(t.Context())
	h, err := startHost(ctx, w.options("a", "b"), w.loader())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{h, w}
	<-inNew
	cancel(errFault)
	if err := r.Booted(t.Context()); !errors.Is(err, errFault) {
		t.Errorf("the boot gives %v", err)
	}
	r.wants("/a", "a1 1")
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGiveWhileBooting orders a handover while a plugin boots: it waits.
func TestGiveWhileBooting(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	inNew, letGo := w.holds("a1 New")
	r := w.starts(w.options("a"))
	<-inNew
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	mine, theirs, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if _, err := r.Give(ended, mine, GiveOptions{}); err == nil || !strings.Contains(err.Error(), "the server still boots (booted 0 of 1 plugins; pending: a)") {
		t.Errorf("it gives %v", err)
	}
	letGo()
	if err := r.booted(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSuspectsLast boots those last, and one after the other, of whom one has ended the process.
func TestSuspectsLast(t *testing.T) {
	w := newWorld(t)
	w.boots("a1", "b1", "s1").Close(t.Context())
	o := w.options("a", "b", "s")
	o.Process = &Process{CrashesInARow: 1, Crashes: []Crash{{Ended: time.Now(), Exit: "exit status 3", Calls: &Calls{Images: []inflight.Image{
		{Plugin: "a", Image: w.imageID("a1"), Steps: []string{"New"}}, {Plugin: "b", Image: w.imageID("b1"), Steps: []string{"New"}},
	}}}}}
	w.done()
	w.host(o)
	if got, want := w.done("open"), "s1 open, a1 open, b1 open"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
}

// TestBootPhases counts in a plugin's phases what was done for it beforehand, together with others.
func TestBootPhases(t *testing.T) {
	w := newWorld(t)
	for range 2 { // from the files, and from the release
		var took time.Duration
		w.fail("a1+b1 probe", func(context.Context) error {
			begun := time.Now()
			for took == 0 {
				took = time.Since(begun)
			}
			return nil
		})
		r := w.boots("a1", "b1")
		for _, p := range []string{"a", "b"} {
			m := r.pluginStatus(p).Last
			if m.Phases[PhaseProbe] < took || m.Phases[PhaseStore] == 0 || m.Phases.Total() < m.Phases[PhaseProbe]+m.Phases[PhaseStore] {
				t.Errorf("%s: the phases are %v", p, m.Phases)
			}
		}
		if e := r.history(generations.KindBoot); e[len(e)-1].Phases["probe"] < took {
			t.Errorf("the history has %v", e[len(e)-1].Phases)
		}
		r.Close(t.Context())
	}
}
