package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// keeper stages the texts that it is given, unless the disk is full.
type keeper struct {
	full atomic.Bool
	text atomic.Value
}

var errFull = errors.New("disk full")

func (k *keeper) keep(f *generations.Folder) (*generations.Staged, error) {
	return f.Stage(generations.File{Name: "kept", Perm: 0o600, Write: func(w io.Writer) error {
		if k.full.Load() {
			return errFull
		}
		_, err := fmt.Fprint(w, k.text.Load())
		return err
	}})
}

// TestUnkept has configurations that can't be kept, at the start and later: the status and the answers say so. A command that changes a
// plugin then reads the file, since what was kept is another configuration.
func TestUnkept(t *testing.T) {
	k := new(keeper)
	k.full.Store(true)
	k.text.Store("1")
	tried := make(chan struct{}) // closed when what serves at first can't be kept
	st, c := newConfigured(t, func(o *Options) { o.Keep, o.Serving = k.keep, func(control.Status) { close(tried) } })
	c.change(func(f *file) { f.keep = k.keep })
	giver := st.start()
	receive(t, tried, "configuration")
	if s := st.status(); !strings.Contains(s.Config.Unkept, "disk full") {
		t.Errorf("at the start the status says %+v", s.Config)
	}
	c.write("settle", "2")
	handing := st.handover(control.HandoverRequest{})
	taker := st.takesUp(giver, 2*time.Millisecond)
	if a, _ := receive(t, handing, "answer"); a.err != nil || !strings.Contains(a.h.Warning, "disk full") {
		t.Errorf("the answer is %+v", a)
	}
	k.full.Store(false)
	c.write("settle", "3")
	amending := st.amend(control.Disable)
	st.takesUp(taker, 3*time.Millisecond)
	if r, _ := receive(t, amending, "answer"); r.err != nil || r.Warning != "" || c.last().Served || st.status().Config.Unkept != "" {
		t.Errorf("%+v; read is %+v, and the status says %+v", r, c.last(), st.status().Config)
	}
	if text, err := os.ReadFile(filepath.Join(st.dir, KeepFolder, "kept")); err != nil || string(text) != "1" {
		t.Errorf("kept is %q, %v", text, err)
	}
}

// TestAmendUnkept gives each command that changes a plugin while the disk is full, with something new for the workers and without, and one
// whose handover fails: each is refused and says so, no worker hears of it, and status and files are as they were.
func TestAmendUnkept(t *testing.T) {
	k := new(keeper)
	k.text.Store("1")
	kept := make(chan struct{}) // closed when what serves at first is kept
	st, c := newConfigured(t, func(o *Options) { o.Keep, o.Serving = k.keep, func(control.Status) { close(kept) } })
	c.change(func(f *file) { f.keep = k.keep })
	giver := st.start()
	receive(t, kept, "configuration")
	look := func() string {
		s := st.status()
		text, err := os.ReadFile(filepath.Join(st.dir, KeepFolder, "kept"))
		files, err2 := os.ReadDir(filepath.Join(st.dir, KeepFolder))
		return fmt.Sprintf("%+v %+v %d %s %v %v %v", s.Config, s.Failed, s.Worker.PID, text, files, err, err2)
	}
	before := look()
	k.full.Store(true)
	k.text.Store("2")
	for _, settle := range []string{"1", "2"} {
		c.write("settle", settle)
		for _, verb := range []control.Verb{control.Add, control.Remove, control.Enable, control.Disable, control.Move} {
			r, _ := receive(t, st.amend(verb), "answer")
			if r.err == nil || !strings.Contains(r.err.Error(), "disk full\nnothing has changed: ") {
				t.Errorf("%s: %v", verb, r.err)
			}
			if after := look(); after != before {
				t.Errorf("%s:\n%s, and before\n%s", verb, after, before)
			}
		}
	}
	k.full.Store(false)
	amending := st.amend(control.Disable)
	st.worker()
	giver.give()
	giver.say(worker.Word{Given: &worker.Given{Error: "no"}})
	if r, _ := receive(t, amending, "answer"); r.err == nil {
		t.Error("a handover that fails is answered with success")
	}
	if text, err := os.ReadDir(filepath.Join(st.dir, KeepFolder)); err != nil || len(text) != 1 {
		t.Errorf("there are %v, %v", text, err)
	}
	amending = st.amend(control.Disable)
	st.takesUp(giver, 2*time.Millisecond)
	if r, _ := receive(t, amending, "answer"); r.err != nil || r.Warning != "" {
		t.Errorf("there is room: %+v", r)
	}
	if text, err := os.ReadFile(filepath.Join(st.dir, KeepFolder, "kept")); err != nil || string(text) != "2" {
		t.Errorf("kept is %q, %v", text, err)
	}
}

// amend gives a command that changes a plugin.
func (st *stage) amend(verb control.Verb) <-chan reloaded {
	done := make(chan reloaded, 1)
	go func() {
		r, err := st.client.Reload(st.t.Context(), control.ReloadRequest{Amend: &control.Amendment{Verb: verb, Plugin: "p", Image: "/p.so", Mode: sohost.Dev}})
		done <- reloaded{r, err}
	}()
	return done
}

// TestKeepSwept removes what a server has left that died while it kept a configuration.
func TestKeepSwept(t *testing.T) {
	st := newStage(t, nil)
	left := filepath.Join(st.dir, KeepFolder, ".served.toml.sohost-tmp-7")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	st.start()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error(fmt.Sprint("it is there: ", err))
	}
}
