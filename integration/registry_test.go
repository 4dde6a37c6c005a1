package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/generations"
)

// TestRegistry changes plugins that enter a name into a registry of the standard library, which takes it once in a process.
// Each new version is live after a handover that nobody asked for, and no request fails.
func TestRegistry(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	install(t, newSource(t, "counter").build(), filepath.Join(p.plugins, "counter.so"))
	tests := []struct {
		plugin, file string
		src          *source
		asking       *load
	}{
		{plugin: "registrar", file: "driver/driver.go"}, // database/sql, in the init of a package of its own
		{plugin: "gauge", file: "gauge.go"},             // expvar, in New
	}
	for i := range tests {
		test := &tests[i]
		test.src = newSourceOf(t, test.plugin, filepath.Join("testdata", test.plugin))
		install(t, test.src.build(), filepath.Join(p.plugins, test.plugin+".so"))
	}
	d := p.start(t, "--plugins", p.plugins)
	counting := startLoad(4, *steady, get(d.url+"/counter"))
	for i := range tests {
		tests[i].asking = startLoad(2, *steady, get(d.url+"/"+tests[i].plugin))
	}
	for _, test := range tests {
		test.src.edit(test.file, `answer = "one"`, `answer = "two"`)
		image := test.src.build()
		worker, mark := d.status().Worker.PID, d.mark()
		install(t, image, filepath.Join(p.plugins, test.plugin+".so"))
		if to := d.awaitReload(mark, test.plugin); to != short(t, image) {
			t.Errorf("reload to %s, want %s", to, short(t, image))
		}
		d.await(mark, isMessage("handover"))
		if answer, _ := d.get("/" + test.plugin); answer != "two" {
			t.Errorf("%s answers %q, want that of the second version", test.plugin, answer)
		}
		if s := d.status(); s.Worker.PID == worker || s.Handover == nil || !strings.Contains(s.Handover.Why, test.plugin) {
			t.Errorf("worker %d serves after worker %d, and the last handover is %+v", s.Worker.PID, worker, s.Handover)
		}
	}
	for _, test := range tests {
		answers := test.asking.end(t)
		if each := slices.Compact(slices.Sorted(slices.Values(answers))); !slices.Equal(each, []string{"one", "two"}) {
			t.Errorf("%s answered %q, want the answers of both versions", test.plugin, each)
		}
	}
	checkCounted(t, counting.end(t))
	if n := handovers(d); n != len(tests) {
		t.Errorf("there were %d handovers, want %d", n, len(tests))
	}
	for _, e := range history(t, d) {
		if e.Kind == generations.KindRefuse || e.Kind == generations.KindCrash {
			t.Errorf("%s of %s: %s", e.Kind, e.Plugin, e.Detail)
		}
	}
}

// TestPanickingNew deploys an image whose New panics by an ordinary mistake of its own. It is refused, and no handover makes callers of
// other plugins wait for that.
func TestPanickingNew(t *testing.T) {
	t.Parallel()
	src := newSourceOf(t, "crasher", filepath.Join("testdata", "crasher"))
	s := newCrashServer(t)
	p := s.place
	file := filepath.Join(p.plugins, "crasher.so")
	install(t, src.build(), file)
	install(t, newSource(t, "counter").build(), filepath.Join(p.plugins, "counter.so"))
	d := p.start(t, "--plugins", p.plugins)
	before := d.status()
	counting := startLoad(4, *steady, get(d.url+"/counter"))

	src.edit("crasher.go", `const version = "1"`, `const version = "2"`)
	s.onStep("new-2", "panic now")
	mark := d.mark()
	install(t, src.build(), file)
	if refused := d.awaitRefusal(mark, "crasher"); !strings.Contains(refused.text("why"), "told to") || refused.text("phase") != "new" {
		t.Errorf("refused at %s since %s", refused.text("phase"), refused.text("why"))
	}
	if body, _ := d.get("/crasher"); body != "version 1" {
		t.Errorf("it answers %q, want the first version", body)
	}

	src.edit("crasher.go", `const version = "2"`, `const version = "3"`)
	mark = d.mark()
	install(t, src.build(), file)
	d.awaitReload(mark, "crasher")
	checkCounted(t, counting.end(t))
	if after := d.status(); after.Worker.PID != before.Worker.PID || handovers(d) != 0 || len(after.Crashes) != 0 {
		t.Errorf("worker %d serves after worker %d, with %d handovers begun, want none; crashes: %v",
			after.Worker.PID, before.Worker.PID, handovers(d), after.Crashes)
	}
}

// handovers counts the handovers that have begun.
func handovers(d *daemon) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if isMessage("handover begins")(l) {
			n++
		}
	}
	return n
}
