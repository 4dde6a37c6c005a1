package sohost

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/sohost/sohost/internal/instance"
)

// TestSettingsOfRefused changes settings of the process in each step that runs an image's code, and refuses the image. What can be
// set back is, the refusal names it, and what can't be costs a new process.
func TestSettingsOfRefused(t *testing.T) {
	eventually(t, "less is collected no more because of an earlier handover", func() bool { runtime.GC(); return gogc() == 100 })
	at := instance.ReadSettings()
	w := newWorld(t)
	w.file("a", "a1")
	asked := make(chan string, 10)
	o := w.options("a")
	o.Process = &Process{Handover: func(_ context.Context, why string) error {
		if why != "deploy of a: fault" { // the image that can't be opened here
			asked <- why
		}
		return errFault
	}}
	r := w.host(o)
	for _, step := range []string{"open", "New", "Start"} {
		image := "a2" + step
		w.fail(image+" "+step, func(context.Context) error {
			debug.SetGCPercent(-1)
			os.Setenv("SETTINGS_TEST", "secret")
			return errFault
		})
		_, err := r.deploy(image)
		var refused *Refusal
		if !errors.As(err, &refused) || len(refused.Changed) != 2 ||
			!strings.Contains(err.Error(), "meanwhile a setting of the process has changed: GOGC: 100 → off (set back)") ||
			!strings.Contains(err.Error(), "environment variable SETTINGS_TEST: unset → set (set back)") {
			t.Errorf("%s: %v", step, err)
		}
		if changes := at.Changes(); len(changes) > 0 {
			t.Errorf("%s: it stays changed: %v", step, changes)
		}
	}
	select {
	case why := <-asked:
		t.Errorf("a handover because of %q, though all was set back", why)
	default:
	}

	defer func() { // Reset alone leaves it ignored
		signal.Notify(make(chan os.Signal, 1), syscall.SIGWINCH)
		signal.Reset(syscall.SIGWINCH)
	}()
	w.fail("a3 New", func(context.Context) error { signal.Ignore(syscall.SIGWINCH); return errFault })
	if _, err := r.deploy("a3"); err == nil || strings.Contains(err.Error(), "set back") {
		t.Errorf("a3: %v", err)
	}
	want := "image " + w.imageID("a3").Short() + " of a, which was refused, has changed what can't be set back: ignored signals: "
	if why := <-asked; !strings.HasPrefix(why, want) {
		t.Errorf("a handover because of %q, want %q", why, want)
	}
	if s := r.Status(); !strings.HasPrefix(s.Tainted, want) || len(s.Plugins[0].Refused.Changed) == 0 {
		t.Errorf("the status has %q, %+v", s.Tainted, s.Plugins[0].Refused)
	}
}

// TestSettingsOfTwo loads two images at the same time, one of which changes a setting. Nobody knows which, so both are told, and the
// refusal of one doesn't undo what may be the other's.
func TestSettingsOfTwo(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	asked := make(chan string, 10)
	o := w.options("a", "b")
	o.Process = &Process{Handover: func(_ context.Context, why string) error { asked <- why; return errFault }}
	r := w.host(o)
	defer debug.SetGCPercent(100)
	begun, changed := make(chan struct{}), make(chan struct{})
	w.fail("a2 New", func(context.Context) error { close(begun); <-changed; return nil })
	w.fail("b2 New", func(context.Context) error { <-begun; debug.SetGCPercent(50); close(changed); return errFault })
	done := make(chan *Reload)
	go func() { done <- r.mustDeploy("a2") }()
	_, err := r.deploy("b2")
	moved := <-done
	if err == nil || !strings.Contains(err.Error(), "GOGC: 100 → 50 (perhaps by another image that was loaded meanwhile)") {
		t.Errorf("b2: %v", err)
	}
	if m := moved.Moves[0]; len(m.Changed) != 1 || !m.Changed[0].Shared {
		t.Errorf("a2: %+v", m.Changed)
	}
	if now := debug.SetGCPercent(100); now != 50 {
		t.Errorf("GOGC was set back to %d", now)
	}
	if why := <-asked; !strings.Contains(why, "GOGC") {
		t.Errorf("a handover because of %q", why)
	}
}

// TestSettingsTurn: what changes before a comparison turns and after it is told apart, and only the part that another one ran beside
// is shared.
func TestSettingsTurn(t *testing.T) {
	eventually(t, "less is collected no more because of an earlier handover", func() bool { runtime.GC(); return gogc() == 100 })
	defer debug.SetGCPercent(100)
	var c comparisons
	one := c.begin()
	beside := c.begin()
	debug.SetGCPercent(50)
	c.end(beside)
	changes, next := c.turn(one)
	if len(changes) != 1 || changes[0].New != "50" || !changes[0].Shared {
		t.Errorf("before: %v", changes)
	}
	debug.SetGCPercent(60)
	if changes := c.end(next); len(changes) != 1 || changes[0].Old != "50" || changes[0].New != "60" || changes[0].Shared {
		t.Errorf("after: %v", changes)
	}
	if len(c.active) > 0 {
		t.Errorf("%d comparisons still run", len(c.active))
	}
}

// TestSettingsOfTaken takes an image that changes a setting: that is its right, and is told.
func TestSettingsOfTaken(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	defer debug.SetGCPercent(100)
	w.fail("a2 New", func(context.Context) error { debug.SetGCPercent(50); return nil })
	move := r.mustDeploy("a2").Moves[0]
	if len(move.Changed) != 1 || move.Warnings()[0] != "it has changed a setting that all plugins share: GOGC: 100 → 50" {
		t.Errorf("the move has %v, %q", move.Changed, move.Warnings())
	}
	if last := r.pluginStatus("a").Last; len(last.Changed) != 1 || !w.logged("GOGC: 100 → 50") {
		t.Errorf("the status has %+v", last)
	}
}
