package sohost

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sohost/sohost/generations"
)

// told collects events.
type told struct {
	mu     sync.Mutex
	events []generations.Event
}

func (e *told) add(ev generations.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, ev)
}

// take returns what was told since it was last called, a word or two for each event. Checkpoints come when they like and are left out.
func (e *told) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var words []string
	for _, ev := range e.events {
		switch ev.Kind {
		case generations.KindCheckpoint:
			continue
		case generations.KindPhase:
			words = append(words, ev.Plugin+"."+ev.Detail)
		default:
			words = append(words, strings.TrimSpace(string(ev.Kind)+" "+ev.Plugin))
		}
	}
	e.events = nil
	return strings.Join(words, ", ")
}

// observed returns options for plugins with those images, whose events are told.
func (w *world) observed(images ...string) (Options, *told) {
	var plugins []string
	for _, image := range images {
		w.file(image[:1], image)
		plugins = append(plugins, image[:1])
	}
	o, e := w.options(plugins...), new(told)
	o.Events = e.add
	return o, e
}

// TestEvents follows reloads by their events: one that succeeds, one that is refused, and two together of which one is.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	o, told := w.observed("a1", "b1")
	r := w.host(o)
	if got, want := told.take(), "flip a, flip b, boot a, boot b"; got != want {
		t.Errorf("the boot: %s, want %s", got, want)
	}
	r.mustDeploy("a2")
	r.tasksIdle()
	reload := "reload a, a.check, a.probe, a.open, a.new, a.state, a.drain, a.state, a.start, flip a, deploy a"
	eventually(t, "a1 retires", func() bool {
		told.mu.Lock()
		defer told.mu.Unlock()
		return slices.ContainsFunc(told.events, func(e generations.Event) bool { return e.Kind == generations.KindRetire })
	})
	if got := told.take(); got != reload+", retire a" {
		t.Errorf("the reload: %s", got)
	}
	w.fail("a3 New", fails)
	r.deploy("a3")
	if got, want := told.take(), "reload a, a.check, a.probe, a.open, a.new, refuse a"; got != want {
		t.Errorf("the refusal: %s, want %s", got, want)
	}
	w.fail("b3 Start", fails)
	r.deploy("a4", "b3")
	if got := told.take(); !strings.HasSuffix(got, "a.state, b.state, a.start, b.start, refuse b, abandon a") {
		t.Errorf("of two: %s", got)
	}
	r.mustDeploy("a2") // which serves
	if got := told.take(); got != "" {
		t.Errorf("nothing was done: %s", got)
	}
}

// TestEventsOfDeferred has a reload of two go on in a handover, which fails. That ends the reload of both.
func TestEventsOfDeferred(t *testing.T) {
	w := newWorld(t)
	o, told := w.observed("a1", "b1")
	o.Process = &Process{Handover: func(context.Context, string) error { return errFault }}
	r := w.host(o)
	told.take()
	w.fail("b2 check", needsHandover)
	r.deploy("a2", "b2")
	if got := told.take(); !strings.HasSuffix(got, ", defer a, defer b, refuse b, abandon a") {
		t.Error(got)
	}
}

// TestEventsOfTriggers tells of the first error of a row of them, and of the one that disables a trigger.
func TestEventsOfTriggers(t *testing.T) {
	w := newWorld(t)
	o, told := w.observed("a1")
	r := w.host(o)
	told.take()
	r.tellTrigger("a", "hourly", errFault, false)
	r.tellTrigger("a", "hourly", errFault, true)
	if got := told.take(); got != "trigger failed a, trigger disabled a" {
		t.Error(got)
	}
}

// TestEventsOfPanics tells of a panic in a request, with the calls of the plugin, and not of those that follow at once.
func TestEventsOfPanics(t *testing.T) {
	w := newWorld(t)
	o, told := w.observed("a1")
	r := w.host(o)
	told.take()
	p, err := r.Host.plugin("a")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		func() {
			defer func() { recover() }()
			r.Host.cutOff(httptest.NewRequest("GET", "/a?secret=1", nil), p, p.serving().Value(), "boom")
		}()
	}
	told.mu.Lock()
	events := slices.Clone(told.events)
	told.mu.Unlock()
	if len(events) != 1 || events[0].Kind != generations.KindPanic || events[0].Plugin != "a" || events[0].From != w.imageID("a1") ||
		!strings.HasPrefix(events[0].Detail, "GET /a: boom\n") {
		t.Errorf("%+v", events)
	}
}

// TestEventsOfHandover follows a handover by the events of the giver.
func TestEventsOfHandover(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o, lock := w.giverOptions("a")
	told := new(told)
	o.Events = told.add
	r := w.host(o)
	told.take()
	if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := told.take(), ".prepare, .ahead, .drain, .state, .commit, .publish"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	phases := HandoverPhases{1, 2, 3, 4, 5, 6}.ByName()
	if got := fmt.Sprint(phases); got != "map[ahead:2ns commit:5ns drain:3ns prepare:1ns publish:6ns state:4ns]" {
		t.Error(got)
	}
}

// TestKinds compares the list of kinds in the documentation with the one in the code.
func TestKinds(t *testing.T) {
	text, err := os.ReadFile("docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| Kind | What happened |")
	var documented []string
	for line := range strings.Lines(table) {
		if row := strings.Split(line, "`"); len(row) > 2 && strings.HasPrefix(line, "|") {
			documented = append(documented, row[1])
		}
	}
	var kinds []string
	for _, kind := range generations.Kinds() {
		kinds = append(kinds, string(kind))
	}
	if !slices.Equal(documented, kinds) {
		t.Errorf("docs/monitoring.md has %q, want %q", documented, kinds)
	}
}
