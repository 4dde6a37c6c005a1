package sohost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/native"
)

// TestEventKeepsRefusal has a plugin serve its confirmed image because the current one can't be booted. An event of its file that
// brings nothing new doesn't hide that.
func TestEventKeepsRefusal(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.confirm()
	r.mustDeploy("a2")
	r.Close(t.Context())
	w.fail("a2 New", fails)
	r = w.host(w.options("a"))
	p := r.plugins()[0]
	for what, happens := range map[string]func(){
		"the file is gone":       func() { os.Remove(p.Image) },
		"it has what serves":     func() { w.file("a", "a1") },
		"it has what is to come": func() { w.file("a", "a2") },
	} {
		happens()
		p.reloadChanged(false)
		if got := r.get("/a"); !strings.HasPrefix(got, "a1 ") {
			t.Errorf("%s: %s answers", what, got)
		}
		if refused := r.pluginStatus("a").Refused; refused == nil || refused.Image != w.imageID("a2") || refused.Retry.IsZero() {
			t.Errorf("%s: refused is %s", what, mustJSON(t, refused))
		}
	}
	if _, err := r.deploy("a1"); err != nil || r.pluginStatus("a").Refused != nil {
		t.Errorf("after a deploy of what serves, %v: %+v", err, r.pluginStatus("a").Refused)
	}
}

// TestOutServesLastGood gets the current image out in every way that there is: its plugin serves the confirmed one, whatever its file
// has become, and says why. What isn't in quarantine serves again after the next boot.
func TestOutServesLastGood(t *testing.T) {
	gone := func(fault func(path string) error) func(*testing.T, *world, *Options, generations.ID) {
		return func(t *testing.T, w *world, _ *Options, id generations.ID) {
			s, err := generations.OpenStore(w.store, generations.StoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			o, err := s.Object(id)
			if err == nil {
				err = fault(o.Path)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	at := func(event string, how func(context.Context) error) func(*testing.T, *world, *Options, generations.ID) {
		return func(_ *testing.T, w *world, _ *Options, _ generations.ID) { w.fail(event, how) }
	}
	crashes := func(n, inARow int, calls func(generations.ID) *Calls) func(*testing.T, *world, *Options, generations.ID) {
		return func(_ *testing.T, _ *world, o *Options, id generations.ID) {
			o.Process = &Process{CrashesInARow: inARow}
			for i := range n {
				o.Process.Crashes = append(o.Process.Crashes, Crash{
					Ended: time.Now().Add(time.Duration(i) * time.Millisecond), Exit: "exit status 3", Calls: calls(id),
				})
			}
		}
	}
	inNew := func(id generations.ID) *Calls { return exited(0, "a", id).Calls }
	inNone := func(generations.ID) *Calls { return &Calls{} }
	rejects := func(r native.Reason) func(context.Context) error {
		return func(context.Context) error { return &native.Rejection{Reasons: []native.Reason{r}} }
	}
	quarantine := func(next time.Time) func(*testing.T, *world, *Options, generations.ID) {
		return func(t *testing.T, w *world, _ *Options, id generations.ID) {
			s, err := generations.OpenStore(w.store, generations.StoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Quarantine(generations.Quarantine{Image: id, Plugin: "a", Reason: "it exited", Next: next}); err != nil {
				t.Fatal(err)
			}
		}
	}
	b1 := newWorld(t).imageID("b1")
	tooSlow := func(context.Context) error { return fmt.Errorf("%w of 10s", ErrTooSlow) }
	for _, way := range []struct {
		name        string
		gets        func(*testing.T, *world, *Options, generations.ID)
		quarantined bool
	}{
		{"init panics in the probe", at("a2 probe", fails), false},
		{"init panics in the process", at("a2 open", fails), false},
		{"init hangs in the probe", at("a2 probe", tooSlow), false},
		{"init hangs in the process", at("a2 open", tooSlow), false},
		{"New fails", at("a2 New", fails), false},
		{"New panics", at("a2 New", func(context.Context) error { panic("boom") }), false},
		{"New hangs", at("a2 New", tooSlow), false},
		{"Import fails", at("a2 Import 1", fails), false},
		{"Start fails", at("a2 Start", fails), false},
		{"refused by the check", at("a2 check", fails), false},
		{"doesn't fit this program", at("a2 check", rejects(native.Reason{Code: native.WrongToolchain})), false},
		{"needs a new process", at("a2 check", rejects(native.Reason{NeedsNewProcess: true})), false},
		{"exits at once", crashes(1, 1, inNew), true},
		{"exits later", crashes(2, 2, inNone), true},
		{"killed by suspicion", crashes(3, 3, func(generations.ID) *Calls { return nil }), true},
		{"left out", crashes(3, 3, func(id generations.ID) *Calls {
			return &Calls{Images: []inflight.Image{{Plugin: "a", Image: id, Background: true}, {Plugin: "b", Image: b1, Background: true}}}
		}), false},
		{"in quarantine", quarantine(time.Time{}), true},
		{"cooling down", quarantine(time.Now().Add(time.Hour)), true},
		{"damaged in the store", gone(func(path string) error {
			return os.WriteFile(path, []byte("xx"), 0o600)
		}), false},
	} {
		t.Run(way.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.boots("a1", "b1")
			r.confirm()
			r.mustDeploy("a2")
			r.wants("/a", "a2 1")
			r.Close(t.Context())
			w.file("a", "a3") // which nobody has deployed
			a1, a2, o := w.imageID("a1"), w.imageID("a2"), w.options("a", "b")
			os.Chmod(w.store+"/objects/"+a2.String()+".so", 0o600)
			w.fail("b1+a2 probe", fails) // else nobody probes a2 alone
			w.fail("a2+b1 probe", fails)
			way.gets(t, w, &o, a2)
			r = w.host(o)
			r.wants("/a", "a1 2")
			r.wants("/b", "b1 1")
			s := r.pluginStatus("a")
			if s.Refused == nil || s.Refused.Image != a2 || s.Refused.Serves != a1 {
				t.Errorf("refused is %s", mustJSON(t, s.Refused))
			}
			if refused := r.history(generations.KindRefuse); len(refused) != 1 {
				t.Errorf("refused was %s", mustJSON(t, refused))
			}
			names, want := r.ledger.Current().Plugins["a"].Image, a2
			if way.quarantined {
				want = a1
			}
			if names != want || r.onDisk() != "0 trials, 0 pins" {
				t.Errorf("the release names %s, want %s; left behind %s", names.Short(), want.Short(), r.onDisk())
			}
			if way.quarantined || strings.Contains(way.name, "store") {
				return
			}
			r.Close(t.Context())
			for _, event := range []string{"probe", "open", "New", "Import 1", "Start", "check"} {
				w.fail("a2 "+event, nil)
			}
			r = w.host(w.options("a", "b"))
			r.wants("/a", "a2 3")
		})
	}
}

// TestOutOfStore loses the current image from the store. If only its bytes are damaged, and its file still has it, that is what serves.
// A release of which an image is gone is no longer whole: the newest one that is serves.
func TestOutOfStore(t *testing.T) {
	for _, damage := range []struct {
		do     func(path string) error
		serves string
	}{
		{func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("xx"), 0o600))
		}, "a2 2"},
		{os.Remove, "a1 2"},
	} {
		w := newWorld(t)
		r := w.boots("a1", "b1")
		r.confirm()
		r.mustDeploy("a2")
		r.wants("/a", "a2 1")
		object, err := r.store.Object(w.imageID("a2"))
		if err != nil {
			t.Fatal(err)
		}
		r.Close(t.Context())
		if err := damage.do(object.Path); err != nil {
			t.Fatal(err)
		}
		r = w.host(w.options("a", "b"))
		r.wants("/a", damage.serves)
		r.wants("/b", "b1 1")
	}
}

// TestFallbackTriedAgain boots the confirmed image because New of the current one fails. That is tried again, even if it has failed once
// more, until it serves.
func TestFallbackTriedAgain(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.confirm()
	r.mustDeploy("a2")
	r.Close(t.Context())
	w.fail("a2 New", fails)
	r = w.host(w.options("a"))
	r.wants("/a", "a1 1")
	if r.confirm(); r.StatusBrief().Confirmed != 1 {
		t.Error("a release is confirmed that isn't what serves")
	}
	due := func() {
		again := *r.pluginStatus("a").Refused
		again.Retry = time.Now()
		r.plugins()[0].setRefusal(&again)
		r.forgiven.up()
	}
	due()
	eventually(t, "it is tried again", func() bool {
		s := r.pluginStatus("a").Refused
		return s.Tries == 1 && time.Until(s.Retry) > time.Minute && len(r.history(generations.KindRefuse)) == 2
	})
	r.wants("/a", "a1 2")
	w.fail("a2 New", nil)
	due()
	eventually(t, "it serves", func() bool { return r.pluginStatus("a").Generation == w.imageID("a2") })
	r.wants("/a", "a2 3")
}

// TestFallbackOrdered orders what serves in place of the current release's image: from then on that is the current one.
func TestFallbackOrdered(t *testing.T) {
	for _, how := range []string{"rollback", "deploy"} {
		w := newWorld(t)
		r := w.boots("a1", "b1")
		r.confirm()
		r.mustDeploy("a2")
		r.Close(t.Context())
		w.fail("a2 New", fails)
		r = w.host(w.options("a", "b"))
		r.wants("/a", "a1 1")
		var err error
		if how == "rollback" {
			_, err = r.Rollback(t.Context(), RollbackOptions{})
		} else {
			_, err = r.deploy("a1")
		}
		if e := r.ledger.Current().Plugins["a"]; err != nil || e.Image != w.imageID("a1") || r.pluginStatus("a").Refused != nil {
			t.Errorf("%s: %v; the release names %s", how, err, e.Image.Short())
		}
		r.wants("/a", "a1 2")
	}
}

// TestRefusedOnce boots a plugin of the directory for the first time whose image can't be used: that is said once, although the file is
// looked at again as soon as it is watched. Only a change makes the host look at it once more.
func TestRefusedOnce(t *testing.T) {
	for _, broken := range []string{"a1 check", "a1 probe", "a1 open", "a1 New", "a1 Start", "no file"} {
		w := newWorld(t)
		o := w.options()
		o.Dir = w.dir
		w.file("b", "b1")
		w.file("a", "a1")
		if broken == "no file" {
			o.Plugins = w.options("c").Plugins
			o.Plugins[0].Mode, o.Plugins[0].Image = Dev, w.dir // which can't be read as one
		}
		w.fail(broken, fails)
		w.fail("a1+b1 probe", fails)
		r := w.host(o)
		for _, p := range r.plugins() { // each has looked at its file by then
			eventually(t, "it is watched", func() bool { return len(p.changed) == 0 })
			p.own(t.Context())
			p.disown()
		}
		if refused := r.history(generations.KindRefuse); len(refused) != 1 {
			t.Errorf("%s: refused was %s", broken, mustJSON(t, refused))
		}
		if broken == "no file" {
			continue
		}
		w.fail(broken, nil)
		w.file("a", "a2")
		eventually(t, "the next one serves", func() bool { return r.pluginStatus("a").Generation == w.imageID("a2") })
	}
}

// TestRefusedOnceAtBoot boots a plugin whose file still has the image that the release names: what was refused isn't tried again from
// the file, but later.
func TestRefusedOnceAtBoot(t *testing.T) {
	w := newWorld(t)
	w.boots("a1").Close(t.Context())
	w.fail("a1 New", fails)
	w.done()
	r := w.host(w.options("a"))
	if got := w.done("New"); got != "a1 New" || len(r.history(generations.KindRefuse)) != 1 || r.pluginStatus("a").Refused.Retry.IsZero() {
		t.Errorf("did %s; refused is %s", got, mustJSON(t, r.pluginStatus("a").Refused))
	}
}
