package sohost

import (
	"context"
	"slices"
	"testing"
)

// TestReconfigure changes the configuration with a handover: a gets another route, b goes and comes back with its state, c is new.
func TestReconfigure(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1")
	r.wants("/a", "a1 1")
	r.wants("/b", "b1 1")
	r.wants("/b", "b1 2")
	w.file("c", "c1")
	plugins := w.options("a", "c").Plugins
	plugins[0].Routes = []string{"/hi"}
	second, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if !slices.Equal(report.Removed, []string{"b"}) {
		t.Errorf("removed are %v", report.Removed)
	}
	if i := slices.IndexFunc(report.Moves, func(m Move) bool { return m.Plugin == "c" }); i < 0 || !report.Moves[i].From.IsZero() {
		t.Errorf("the moves are %+v", report.Moves)
	}
	second.wants("/hi", "a1 2")
	second.wants("/c", "c1 1")
	for _, path := range []string{"/a", "/b"} {
		if code, _ := second.request(path); code != 404 {
			t.Errorf("%s answers %d", path, code)
		}
	}
	third, _, err, takeErr := second.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: w.options("a", "b").Plugins}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	third.wants("/a", "a1 3")
	third.wants("/b", "b1 3")
	if code, _ := third.request("/c"); code != 404 {
		t.Errorf("/c answers %d", code)
	}
	if s := third.pluginStatus("b"); s.Last == nil || s.Generation.IsZero() {
		t.Errorf("the status of b is %+v", s)
	}
}

// TestReconfigureRefused has a configuration fail in each way. The giver serves what it did, and all of it.
func TestReconfigureRefused(t *testing.T) {
	for name, test := range map[string]struct {
		event  string // that fails
		config func(w *world) []Plugin
	}{
		"no image":       {"", func(w *world) []Plugin { return w.options("a", "c").Plugins }},
		"New":            {"c1 New", func(w *world) []Plugin { w.file("c", "c1"); return w.options("a", "c").Plugins }},
		"Start":          {"c1 Start", func(w *world) []Plugin { w.file("c", "c1"); return w.options("a", "c").Plugins }},
		"state unsaved":  {"b1 Export", func(w *world) []Plugin { return w.options("a").Plugins }},
		"a route twice":  {"", func(w *world) []Plugin { p := w.options("a", "b").Plugins; p[1].Routes = p[0].Routes; return p }},
		"a name twice":   {"", func(w *world) []Plugin { return w.options("a", "a").Plugins }},
		"no mode at all": {"", func(w *world) []Plugin { p := w.options("a").Plugins; p[0].Mode = "x"; return p }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("a1", "b1")
			r.wants("/a", "a1 1")
			r.wants("/b", "b1 1")
			before := r.onDisk()
			plugins := test.config(w)
			if test.event != "" {
				w.fail(test.event, fails)
			}
			if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins}}); err == nil {
				t.Fatal("it is taken up")
			}
			w.fail(test.event, func(context.Context) error { return nil })
			if after := r.onDisk(); after != before {
				t.Errorf("the store was\n%s\nand is\n%s", before, after)
			}
			r.wants("/a", "a1 2")
			r.wants("/b", "b1 2")
			if code, _ := r.request("/c"); code != 404 {
				t.Errorf("/c answers %d", code)
			}
		})
	}
}

// TestReconfigureDir takes the plugins of a directory along, unless their file is in it no more.
func TestReconfigureDir(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o, lock := w.giverOptions()
	o.Dir = w.dir
	r := w.host(o)
	r.wants("/a", "a1 1")
	r.wants("/b", "b1 1")
	plugins := w.options("b").Plugins
	plugins[0].Routes = []string{"/other"}
	second, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins, Dir: w.dir}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	second.wants("/a", "a1 2")
	second.wants("/other", "b1 2")
	if len(report.Removed) > 0 {
		t.Errorf("removed are %v", report.Removed)
	}
	third, report, err, takeErr := second.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins, Dir: t.TempDir()}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	third.wants("/other", "b1 3")
	if code, _ := third.request("/a"); code != 404 || !slices.Equal(report.Removed, []string{"a"}) {
		t.Errorf("/a answers %d, and removed are %v", code, report.Removed)
	}
}
