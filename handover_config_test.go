package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
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
	chain := func(plugins ...string) []Chain { return []Chain{{Route: "/shop", Plugins: plugins}} }
	for name, test := range map[string]struct {
		event  string // that fails
		config func(w *world) []Plugin
		chains []Chain
	}{
		"no image":           {"", func(w *world) []Plugin { return w.options("a", "c").Plugins }, nil},
		"New":                {"c1 New", func(w *world) []Plugin { w.file("c", "c1"); return w.options("a", "c").Plugins }, nil},
		"Start":              {"c1 Start", func(w *world) []Plugin { w.file("c", "c1"); return w.options("a", "c").Plugins }, nil},
		"state unsaved":      {"b1 Export", func(w *world) []Plugin { return w.options("a").Plugins }, nil},
		"a route twice":      {"", func(w *world) []Plugin { p := w.options("a", "b").Plugins; p[1].Routes = p[0].Routes; return p }, nil},
		"a name twice":       {"", func(w *world) []Plugin { return w.options("a", "a").Plugins }, nil},
		"no mode at all":     {"", func(w *world) []Plugin { p := w.options("a").Plugins; p[0].Mode = "x"; return p }, nil},
		"nobody in a chain":  {"", func(w *world) []Plugin { return w.options("a", "b").Plugins }, chain("a", "c")},
		"a route of a chain": {"", func(w *world) []Plugin { return w.options("a", "b").Plugins }, []Chain{{Route: "/b", Plugins: []string{"a"}}}},
		"no middleware":      {"b1 none", func(w *world) []Plugin { return w.options("a", "b").Plugins }, chain("a", "b")},
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
			w.done()
			if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins, Chains: test.chains}}); err == nil {
				t.Fatal("it is taken up")
			}
			if done := w.done(); test.event == "" && done != "" {
				t.Errorf("plugins did %s for what is known before", done)
			}
			w.fail(test.event, func(context.Context) error { return nil })
			if after := r.onDisk(); after != before {
				t.Errorf("the store was\n%s\nand is\n%s", before, after)
			}
			r.wants("/a", "a1 2")
			r.wants("/b", "b1 2")
			for _, path := range []string{"/c", "/shop"} {
				if code, _ := r.request(path); code != 404 {
					t.Errorf("%s answers %d", path, code)
				}
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

// TestReconfigureChain takes a plugin out of a chain and another one in, while requests are in the first plugin. One that has passed what
// comes before the same place goes on there; one that would miss a plugin of the new chain is refused.
func TestReconfigureChain(t *testing.T) {
	for _, test := range []struct{ before, after, want, then string }{
		{"y q a", "q a", "503", "q1 > a1 1"},
		{"y q a", "y u a", "y1 > u1 > a1 1", "y1 > u1 > a1 2"},
		{"y a", "y q a", "y1 > q1 > a1 1", "y1 > q1 > a1 2"},
		{"y q a", "y", "503", "y1"},
	} {
		t.Run(test.before+" to "+test.after, func(t *testing.T) {
			w := newWorld(t)
			gives, lock := w.giverOptions()
			var before []string
			for _, name := range strings.Fields(test.before) {
				before = append(before, name+"1")
			}
			o := w.chained(before...)
			o.Process = gives.Process
			r := w.host(o)
			running, finish := make(chan struct{}), make(chan struct{})
			w.fail("y1 passes", func(context.Context) error { close(running); <-finish; return nil })
			answered := make(chan string, 1)
			taken := make(chan *rig, 1)
			forward := http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				taker := <-taken
				taken <- taker
				taker.ServeFrom(ChainPlace(req), rw, req)
			})
			go func() {
				rw := httptest.NewRecorder()
				r.ServeHTTP(rw, httptest.NewRequest("GET", "/shop", nil))
				if rw.Code != http.StatusOK {
					answered <- fmt.Sprint(rw.Code)
					return
				}
				answered <- strings.Join(append(rw.Header()["Passed"], strings.TrimSpace(rw.Body.String())), " > ")
			}()
			<-running
			var after []string
			for _, name := range strings.Fields(test.after) {
				w.file(name, name+"1")
				after = append(after, name)
			}
			config := &Configuration{Plugins: w.options(after...).Plugins, Chains: []Chain{{Route: "/shop", Plugins: after}}}
			if len(after) == 1 {
				server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				defer server.Close()
				config.Chains[0].Backend = server.URL
			}
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config, Forward: forward})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			taken <- taker
			close(finish)
			if got := <-answered; got != test.want {
				t.Errorf("the request that ran gets %q, want %q", got, test.want)
			}
			w.fail("y1 passes", nil)
			if got := strings.TrimSuffix(taker.passed("/shop"), " > "); got != test.then {
				t.Errorf("the next one gets %q, want %q", got, test.then)
			}
		})
	}
}

// TestReconfigureDirRoutes gives the route of a plugin of the directory to a chain, and to a trigger: as at a boot, it is no plugin then.
func TestReconfigureDirRoutes(t *testing.T) {
	for _, to := range []string{"chain", "trigger"} {
		w := newWorld(t)
		w.file("a", "a1")
		o, lock := w.giverOptions("y", "d")
		w.file("y", "y1")
		w.file("d", "d1")
		o.Dir, o.Plugins[0].Image = w.dir, w.file("y", "y1")
		r := w.host(o)
		r.wants("/a", "a1 1")
		config := &Configuration{Plugins: slices.Clone(o.Plugins), Dir: w.dir}
		if to == "chain" {
			config.Chains = []Chain{{Route: "/a", Plugins: []string{"y", "d"}}}
		} else {
			config.Plugins[1].Triggers = []Trigger{{Spec: "request:/a"}}
		}
		taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		if !slices.Equal(report.Removed, []string{"a"}) {
			t.Errorf("%s: removed are %v", to, report.Removed)
		}
		if got := taker.get("/a"); strings.Contains(got, "a1") {
			t.Errorf("%s: /a answers %q", to, got)
		}
	}
}

// TestReconfigureExclusive gives what a plugin owns to one that the configuration adds in its place, with and without checkpoints.
func TestReconfigureExclusive(t *testing.T) {
	for _, removed := range []string{"o", "p"} {
		for _, interval := range []time.Duration{time.Hour, -1} {
			w := newWorld(t)
			added := map[string]string{"o": "p", "p": "o"}[removed]
			w.file(removed, removed+"1")
			w.file(added, added+"1")
			o, lock := w.giverOptions(removed)
			o.CheckpointInterval = interval
			r := w.host(o)
			w.owns(removed + "1")
			config := &Configuration{Plugins: w.options(added).Plugins}
			w.fail(added+"1 Start", fails)
			if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Config: config}); err == nil {
				t.Error("it is taken up")
			}
			w.owns(removed + "1")
			r.wants("/"+removed, removed+"1 1")
			w.fail(added+"1 Start", nil)
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config})
			if err != nil || takeErr != nil {
				t.Fatalf("%s for %s: %v, %v", added, removed, err, takeErr)
			}
			w.owns(added + "1")
			taker.wants("/"+added, added+"1 1")
		}
	}
}

// TestReconfigureLosing removes a plugin whose state can't be saved only by order.
func TestReconfigureLosing(t *testing.T) {
	for _, images := range [][]string{{"a1", "b1"}, {"a1", "x1"}} {
		w := newWorld(t)
		r, lock := w.giver(images...)
		w.fail("b1 Export", fails)
		config := &Configuration{Plugins: w.options("a").Plugins}
		if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Config: config}); err == nil {
			t.Errorf("%s is removed", images[1])
		}
		if _, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: config, LoseState: true}); err != nil || takeErr != nil {
			t.Errorf("%s is not removed by order: %v, %v", images[1], err, takeErr)
		}
	}
}

// TestReconfigurePending removes a plugin of which a reload waits for a handover. That of another plugin is carried out; the first is to be
// asked for in the new process.
func TestReconfigurePending(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o, lock := w.giverOptions("a", "b")
	asked, proceed := make(chan string, 2), make(chan struct{})
	o.Process.Handover = func(ctx context.Context, why string) error { asked <- why; <-proceed; return nil }
	r := w.host(o)
	failed := map[string]chan error{}
	for _, name := range []string{"a", "b"} {
		w.fail(name+"2 check", func(ctx context.Context) error { w.fail(name+"2 check", nil); return needsHandover(ctx) })
		done := make(chan error, 1)
		failed[name] = done
		go func() { _, err := r.deploy(name + "2"); done <- err }()
		<-asked
	}
	taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: w.options("a").Plugins}})
	close(proceed)
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if err := <-failed["a"]; err != nil {
		t.Errorf("the reload of a: %v", err)
	}
	if err := <-failed["b"]; !errors.Is(err, ErrHandedOver) {
		t.Errorf("the reload of b: %v", err)
	}
	taker.wants("/a", "a2 1")
	if _, err := taker.deploy("b2"); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("asked for again: %v", err)
	}
}

// TestReconfigureClash gives the path of a trigger that was added by command to another plugin, to a chain, and to its own plugin.
func TestReconfigureClash(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("d1", "a1", "y1")
	if _, err := r.AddTrigger("d", Trigger{Name: "t", Spec: "request:/x"}); err != nil {
		t.Fatal(err)
	}
	plugins := func(of int) []Plugin {
		p := w.options("d", "a", "y").Plugins
		p[of].Routes = append(p[of].Routes, "/x")
		return p
	}
	for name, config := range map[string]*Configuration{
		"a plugin": {Plugins: plugins(1)},
		"a chain":  {Plugins: w.options("d", "a", "y").Plugins, Chains: []Chain{{Route: "/x", Plugins: []string{"y", "a"}}}},
	} {
		if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Config: config}); err == nil || !strings.Contains(err.Error(), "sohost trigger remove d/t") {
			t.Errorf("%s: %v", name, err)
		}
	}
	taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Config: &Configuration{Plugins: plugins(0)}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	third, _, err, takeErr := taker.handover(t.Context(), lock, GiveOptions{Config: &Configuration{
		Plugins: w.options("a", "y").Plugins, Chains: []Chain{{Route: "/x", Plugins: []string{"y", "a"}}},
	}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if got := third.passed("/x"); got != "y1 > a1 1" {
		t.Errorf("without the trigger's plugin: %q", got)
	}
}
