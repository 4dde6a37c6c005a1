package sohost

import (
	"strings"
	"testing"
)

// feeding has plugins get each other's rows of these tables.
func (w *world) feeding(tables ...string) {
	w.feeds = func(string) []string { return tables }
}

// TestLoopsRefused has triggers added, enabled, taken over and configured by which rows would go round for ever. None of them is called.
func TestLoopsRefused(t *testing.T) {
	w := newWorld(t)
	w.file("d", "d1")
	w.feeding("x")
	o, lock := w.giverOptions("d")
	o.Plugins[0].Triggers = []Trigger{{Spec: "write:cpu"}}
	r := w.host(o)
	if _, err := r.AddTrigger("d", Trigger{Spec: "write:mem"}); err != nil {
		t.Error(err)
	}
	_, err := r.AddTrigger("d", Trigger{Spec: "write:*"})
	if err == nil || !strings.Contains(err.Error(), "a loop: rows of table x that d emits call d/write-all") {
		t.Errorf("a trigger for what the plugin emits: %v", err)
	}
	key := TriggerKey{Plugin: "d", Name: "write-mem"}
	w.feeding("mem") // in the new process
	if _, _, gave, took := r.handover(t.Context(), lock, GiveOptions{}); gave == nil || took == nil || !strings.Contains(gave.Error(), "write-mem") {
		t.Errorf("a handover to a process with other sinks: %v, %v", gave, took)
	}
	r.deliver("mem")
	if _, err := r.DisableTrigger(key); err != nil {
		t.Fatal(err)
	}
	r, _, gave, took := r.handover(t.Context(), lock, GiveOptions{})
	if gave != nil || took != nil {
		t.Fatal(gave, took)
	}
	if _, err := r.EnableTrigger(key); err == nil || !strings.Contains(err.Error(), "d/write-mem") {
		t.Errorf("enabled: %v", err)
	}
	w.done()
	r.deliver("mem", "cpu")
	if got := w.done("batch"); got != "d1 batch write-cpu 1" {
		t.Errorf("calls: %s", got)
	}
	w.feeding("cpu")
	if _, err := newHost(t.Context(), w.triggering("write:cpu"), w.loader()); err == nil || !strings.Contains(err.Error(), "d/write-cpu") {
		t.Errorf("configured: %v", err)
	}
}

// TestLoopsAtBoot boots with other sinks than those of before, with which a trigger that was added by command is part of a loop. It is disabled.
func TestLoopsAtBoot(t *testing.T) {
	w := newWorld(t)
	o := w.triggering("write:cpu")
	r := w.host(o)
	if _, err := r.AddTrigger("d", Trigger{Spec: "write:mem"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.feeding("mem")
	o.Feeds = w.feeds
	r = w.host(o)
	for _, s := range r.Triggers() {
		if disabled := s.State == "disabled"; disabled != (s.Name == "write-mem") || disabled && !strings.Contains(s.Why, "a loop: ") {
			t.Errorf("%s is %s: %s", s.Name, s.State, s.Why)
		}
	}
}
