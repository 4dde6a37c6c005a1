package sohost

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// reconfigured hands over with another configuration, which must be taken up.
func (r *rig) reconfigured(config Configuration) (*rig, *Handover) {
	r.w.t.Helper()
	taker, report, err, takeErr := r.handover(r.w.t.Context(), r.opts.Process.Lock, GiveOptions{Config: &config})
	if err != nil || takeErr != nil {
		r.w.t.Fatal(err, takeErr)
	}
	return taker, report
}

// TestDisabled disables a plugin below another's route, and enables it. Its requests get 503 and go to nobody else, whatever boots or
// takes over; it goes on with its state.
func TestDisabled(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1")
	plugins := w.options("a", "b").Plugins
	plugins[0].Routes = []string{"/"}
	off := []Disabled{{Name: "b", Routes: []string{"/b/", "/hook"}}}
	r.wants("/b", "b1 1")
	second, report := r.reconfigured(Configuration{Plugins: plugins[:1], Disabled: off})
	if !slices.Equal(report.Removed, []string{"b"}) {
		t.Errorf("removed are %v", report.Removed)
	}
	for _, path := range []string{"/b", "/b/x", "/hook"} {
		if code, text := second.request(path); code != 503 || !strings.Contains(text, "plugin b is out of service: it is disabled") {
			t.Errorf("%s answers %d, %s", path, code, text)
		}
	}
	second.wants("/c", "a1 1")
	if _, err := second.deploy("b1"); !errors.Is(err, ErrDisabled) {
		t.Errorf("a deploy of it: %v", err)
	}
	if s := second.StatusBrief(); len(s.Disabled) != 1 || len(s.Plugins) != 1 {
		t.Errorf("the status is %+v", s)
	}
	third, _ := second.reconfigured(Configuration{Plugins: plugins})
	third.wants("/b", "b1 2")
	if _, _, err, _ := third.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins, Disabled: off}}); err == nil {
		t.Error("a plugin is disabled and isn't")
	}
	third.wants("/b", "b1 3")
}

// TestDisabledInDir disables a plugin of the directory: its file is not loaded, at a boot and when it changes.
func TestDisabledInDir(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o, _ := w.giverOptions()
	o.Dir, o.Disabled = w.dir, []Disabled{{Name: "a", Routes: []string{"/a"}}}
	r := w.host(o)
	w.file("a", "a2")
	w.file("b", "b1")
	until(t, r.Host, "the other one", func(s Status) bool { return len(s.Plugins) == 1 && !s.Plugins[0].Generation.IsZero() })
	if code, _ := r.request("/a"); code != 503 || len(r.StatusBrief().Ignored) > 0 {
		t.Errorf("/a answers %d, and the status is %+v", code, r.StatusBrief())
	}
}

// TestEnabledInDir enables a plugin of the directory: it serves when the handover is over, or that is refused.
func TestEnabledInDir(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o, lock := w.giverOptions()
	o.Dir, o.Disabled = w.dir, []Disabled{{Name: "a", Routes: []string{"/a"}}, {Name: "gone", Routes: []string{"/gone"}}}
	r := w.host(o)
	r.wants("/b", "b1 1")
	config := &Configuration{Dir: w.dir}
	w.fail("a1 Start", func(context.Context) error { return errors.New("no") })
	if _, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config}); err == nil && takeErr == nil {
		t.Error("a plugin that can't start is enabled")
	}
	r.wants("/b", "b1 2")
	if code, _ := r.request("/a"); code != 503 {
		t.Errorf("/a answers %d", code)
	}
	w.fail("a1 Start", nil)
	taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	taker.wants("/a", "a1 1")
	taker.wants("/b", "b1 3")
	if len(report.Moves) != 2 {
		t.Errorf("the report has %+v", report.Moves)
	}
}

// TestForget removes a plugin whose file is gone from the directory. Until then it goes on, through handovers and the death of a worker;
// afterwards no release has it.
func TestForget(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	file := w.file("b", "b1")
	o, lock := w.giverOptions()
	o.Dir = w.dir
	r := w.host(o)
	r.wants("/b", "b1 1")
	config := Configuration{Dir: w.dir, Forget: []string{"b"}}
	second, report := r.reconfigured(config)
	if len(report.Removed) > 0 {
		t.Errorf("removed are %v while the file is there", report.Removed)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	third, _ := second.reconfigured(Configuration{Dir: w.dir})
	third.wants("/b", "b1 2")
	if s := third.Status().Plugins[1]; s.File != FileGone {
		t.Errorf("the status says of the file %q", s.File)
	}
	fourth, report := third.reconfigured(config)
	if !slices.Equal(report.Removed, []string{"b"}) {
		t.Errorf("removed are %v", report.Removed)
	}
	if code, _ := fourth.request("/b"); code != 404 {
		t.Errorf("/b answers %d", code)
	}
	eventually(t, "a release without it", func() bool { _, has := fourth.ledger.Current().Plugins["b"]; return !has })
	if _, _, err, _ := fourth.handover(t.Context(), lock, GiveOptions{Config: &config}); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("once more: %v", err)
	}
}

// TestVanished boots a plugin whose file is gone from the directory, as a worker does that follows one which died.
func TestVanished(t *testing.T) {
	w := newWorld(t)
	file := w.file("b", "b1")
	o, _ := w.giverOptions()
	o.Dir = w.dir
	o.Process.Handover = func(context.Context, string) error { return nil } // there is a supervisor
	r := w.host(o)
	r.wants("/b", "b1 1")
	if err := errors.Join(r.Close(t.Context()), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	for _, disabled := range [][]Disabled{{{Name: "b", Routes: []string{"/b"}}}, nil} {
		o.Disabled = disabled
		r = w.host(o)
		code, text := r.request("/b")
		if wants := disabled == nil; (code == 200) != wants {
			t.Errorf("disabled: %v: %d, %s", disabled, code, text)
		}
		r.Close(t.Context())
	}
}

// TestFileDiffers puts another image into the file of a plugin in prod mode, and that of one in dev mode.
func TestFileDiffers(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	state := func() FileState { return r.Status().Plugins[0].File }
	if got := state(); got != "" {
		t.Errorf("the file that serves %s", got)
	}
	file := w.file("a", "a2")
	if got := state(); got != FileDiffers {
		t.Errorf("another image: %q", got)
	}
	if _, err := r.deploy("a2"); err != nil || state() != "" {
		t.Errorf("once it serves: %v, %q", err, state())
	}
	if err := os.Remove(file); err != nil || state() != FileGone {
		t.Errorf("once it is gone: %v, %q", err, state())
	}
}
