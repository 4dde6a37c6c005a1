package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// doer is the plugin of images that begin with d: it is called for all kinds of triggers.
type doer struct{ *basic }

func (d *doer) HandleBatch(ctx context.Context, b *abi.Batch) error {
	return d.w.did(ctx, "%s batch %s %d", d.image, b.Trigger.Name, len(b.Tables))
}

func (d *doer) HandleSchedule(ctx context.Context, t abi.Tick) error {
	return d.w.did(ctx, "%s tick %d", d.image, t.Due.UnixMilli())
}

func (d *doer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t, ok := r.Context().Value(abi.TriggerKey{}).(*abi.Trigger); ok {
		fmt.Fprintf(w, "%s by %s with %v", d.image, t.Name, t.Args)
		return
	}
	d.basic.ServeHTTP(w, r)
}

// triggering returns the options of a host with the plugin d and these triggers.
func (w *world) triggering(specs ...string) Options {
	w.file("d", "d1")
	o := w.options("d")
	for _, s := range specs {
		o.Plugins[0].Triggers = append(o.Plugins[0].Triggers, Trigger{Spec: s, Args: map[string]string{"x": "1"}})
	}
	return o
}

func (r *rig) deliver(tables ...string) {
	r.w.t.Helper()
	var all []abi.Table
	for _, name := range tables {
		all = append(all, abi.Table{Name: name, Times: []int64{1}})
	}
	d, err := r.Deliver(r.w.t.Context(), "db", all)
	if err != nil {
		r.w.t.Fatal(err)
	}
	<-d.Done()
	if d.Err() != nil {
		r.w.t.Error(d.Err())
	}
}

// ticks waits for calls at set times.
func (r *rig) ticks(image string) {
	r.w.t.Helper()
	r.w.done()
	eventually(r.w.t, "a call of "+image, func() bool { return strings.Contains(r.w.done("tick"), image+" tick") })
}

// TestTriggers has a plugin called for triggers of each kind, through a reload.
func TestTriggers(t *testing.T) {
	w := newWorld(t)
	o := w.triggering("every:100ms", "write:cpu", "write:*", "request:/of/x")
	o.Plugins[0].Args = map[string]string{"y": "2"}
	r := w.host(o)
	r.ticks("d1")
	r.deliver("cpu", "mem")
	if got := w.done("batch"); got != "d1 batch write-all 2, d1 batch write-cpu 1" && got != "d1 batch write-cpu 1, d1 batch write-all 2" {
		t.Errorf("calls: %s", got)
	}
	for _, path := range []string{"/of/x", "/of/x/deeper", "/api/v3/engine/of/x"} {
		r.wants(path, "d1 by request-of-x with map[x:1 y:2]")
	}
	r.wants("/d", "d1 1")
	r.mustDeploy("d2")
	r.ticks("d2")
	r.deliver("mem")
	if got := w.done("batch"); got != "d2 batch write-all 1" {
		t.Errorf("calls: %s", got)
	}
	var runs []string
	for _, s := range r.pluginStatus("d").Triggers {
		if s.Spec != "every:100ms" {
			runs = append(runs, fmt.Sprintf("%s %s %d", s.Name, s.State, s.Runs))
		}
	}
	if got := strings.Join(runs, ", "); got != "request-of-x ready 3, write-all ready 2, write-cpu ready 1" {
		t.Errorf("status: %s", got)
	}
}

// TestTriggersRefused deploys an image that can't serve its plugin's triggers. The one before goes on.
func TestTriggersRefused(t *testing.T) {
	w := newWorld(t)
	w.file("s", "s1")
	o := w.options("s")
	o.Plugins[0].Triggers = []Trigger{{Spec: "write:*"}, {Spec: "every:1h"}}
	r := w.host(o)
	refused := r.pluginStatus("s").Refused
	if refused == nil || refused.Phase != PhaseNew || !strings.Contains(refused.Message, "HandleBatch") || !strings.Contains(refused.Message, "HandleSchedule") {
		t.Fatalf("refused is %+v", refused)
	}
	r = newWorld(t).boots("b1")
	for _, spec := range []string{"write:*", "every:1s", "cron:* * * *", "request:/"} {
		if _, err := r.AddTrigger("b", Trigger{Spec: spec}); err == nil {
			t.Errorf("%s was added", spec)
		}
	}
	if all := r.Triggers(); len(all) != 0 {
		t.Errorf("there are %+v", all)
	}
}

// TestArgs deploys an image that wants other arguments than its plugin has, or a trigger of it. Neither is loaded.
func TestArgs(t *testing.T) {
	for _, test := range []struct{ plugin, trigger, want string }{
		{"x", "", "n is required; x is no argument of the plugin: it has n"},
		{"n", "y", "trigger every-1h: wrong arguments: y is no argument"},
		{"n", "n", "trigger every-1h: wrong arguments: n is \"-\": want a whole number"},
		{"n", "", ""},
	} {
		w := newWorld(t)
		o := w.triggering()
		o.Plugins[0].Args = map[string]string{test.plugin: "1"}
		o.Plugins[0].Triggers = []Trigger{{Spec: "every:1h"}}
		if test.trigger != "" {
			o.Plugins[0].Triggers[0].Args = map[string]string{test.trigger: "-"}
		}
		r := w.host(o)
		_, err := r.deploy("d7")
		if test.want == "" {
			if err != nil {
				t.Error(err)
			}
			if _, err := r.AddTrigger("d", Trigger{Spec: "write:*", Args: map[string]string{"n": "no"}}); err == nil {
				t.Error("a trigger with wrong arguments was added")
			}
			continue
		}
		if refused := r.refusal(err, "d", PhaseNew); !strings.Contains(refused.Message, test.want) {
			t.Errorf("refused: %s\nwant: %s", refused.Message, test.want)
		}
		r.wants("/d", "d1 1")
	}
}

// TestTriggerCommands adds, disables, enables and removes triggers, all of which outlasts a restart.
func TestTriggerCommands(t *testing.T) {
	w := newWorld(t)
	o := w.triggering("every:100ms", "request:/r")
	r := w.host(o)
	if _, err := r.AddTrigger("d", Trigger{Spec: "request:/added"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddTrigger("d", Trigger{Spec: "request:/added"}); err == nil {
		t.Error("added twice")
	}
	r.wants("/added", "d1 by request-added with map[]")
	for _, name := range []string{"every-100ms", "request-r"} {
		if s, err := r.DisableTrigger(TriggerKey{Plugin: "d", Name: name}); err != nil || s.State != "disabled" {
			t.Errorf("%+v, %v", s, err)
		}
	}
	r.wants("/r", "503 trigger request-r is disabled")
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.done("tick") // of before it was disabled
	r = w.host(o)
	r.wants("/r", "503 trigger request-r is disabled")
	r.wants("/added", "d1 by request-added with map[]")
	if got := w.done("tick"); got != "" {
		t.Errorf("a disabled trigger: %s", got)
	}
	if _, err := r.EnableTrigger(TriggerKey{Plugin: "d", Name: "every-100ms"}); err != nil {
		t.Error(err)
	}
	r.ticks("d1")
	if _, err := r.EnableTrigger(TriggerKey{Plugin: "d", Name: "request-r"}); err != nil {
		t.Error(err)
	}
	r.wants("/r", "d1 by request-r with map[x:1]")
	if _, err := r.RemoveTrigger(TriggerKey{Plugin: "d", Name: "request-added"}); err != nil {
		t.Error(err)
	}
	r.wants("/added", "404 no plugin has a route for /added")
	r.wants("/d", "d1 1")
	if _, err := r.RemoveTrigger(TriggerKey{Plugin: "d", Name: "request-r"}); err == nil {
		t.Error("a trigger of the configuration was removed")
	}
}

// TestTriggersHandover hands over while times come and rows wait.
func TestTriggersHandover(t *testing.T) {
	w := newWorld(t)
	w.file("d", "d1")
	o, lock := w.giverOptions("d")
	o.Plugins[0].Triggers = []Trigger{{Spec: "every:100ms"}, {Spec: "write:*"}}
	r := w.host(o)
	r.ticks("d1")
	began := make(chan struct{})
	let := make(chan struct{})
	w.fail("d1 batch write-all 1", func(context.Context) error {
		close(began)
		<-let
		return nil
	})
	d, err := r.Deliver(t.Context(), "db", []abi.Table{{Name: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	<-began
	w.fail("d1 batch write-all 1", nil)
	if _, err := r.AddTrigger("d", Trigger{Spec: "request:/added"}); err != nil {
		t.Fatal(err)
	}
	before := r.triggerRuns("every-100ms")
	go func() {
		eventually(t, "it pauses", func() bool { return r.triggers.Save().Triggers != nil })
		close(let)
	}()
	next, _, gave, took := r.handover(t.Context(), lock, GiveOptions{})
	if gave != nil || took != nil {
		t.Fatal(gave, took)
	}
	<-d.Done()
	if d.Err() != nil {
		t.Error(d.Err())
	}
	if _, err := r.Deliver(t.Context(), "db", nil); err != ErrHandedOver {
		t.Errorf("a write to the old one: %v", err)
	}
	next.ticks("d1")
	if now := next.triggerRuns("every-100ms"); now <= before {
		t.Errorf("%d runs, before the handover there were %d", now, before)
	}
	next.deliver("x")
	next.wants("/added", "d1 by request-added with map[]")
}

// TestTriggersOnce hands over again and again under writers. Each write is handled once, whoever took it, and each time is called for once.
func TestTriggersOnce(t *testing.T) {
	w := newWorld(t)
	w.file("d", "d1")
	o, lock := w.giverOptions("d")
	o.Plugins[0].Triggers = []Trigger{{Spec: "every:100ms"}, {Spec: "write:*"}}
	var serves atomic.Pointer[Host]
	r := w.host(o)
	serves.Store(r.Host)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var written atomic.Int64
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := serves.Load().Deliver(context.Background(), "db", []abi.Table{{Name: "x"}})
				if errors.Is(err, ErrHandedOver) { // nothing of it was taken
					time.Sleep(time.Millisecond) // until the next one is known
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if <-d.Done(); d.Err() != nil {
					t.Error(d.Err())
				}
				written.Add(1)
			}
		})
	}
	var ticks, batches []string
	for range 5 {
		had := written.Load()
		eventually(t, "writes", func() bool { return written.Load() > had+20 })
		next, _, gave, took := r.handover(t.Context(), lock, GiveOptions{})
		if gave != nil || took != nil {
			t.Fatal(gave, took)
		}
		r = next
		serves.Store(r.Host)
	}
	close(stop)
	writers.Wait()
	w.mu.Lock()
	for _, e := range w.events {
		switch f := strings.Fields(e); f[1] {
		case "tick":
			ticks = append(ticks, f[2])
		case "batch":
			batches = append(batches, e)
		}
	}
	w.mu.Unlock()
	if int64(len(batches)) != written.Load() {
		t.Errorf("%d writes were acknowledged, and %d handled", written.Load(), len(batches))
	}
	slices.Sort(ticks)
	if once := slices.Compact(slices.Clone(ticks)); len(once) != len(ticks) {
		t.Errorf("a time was called for twice: %v", ticks)
	}
	for _, s := range r.Triggers() {
		if s.Spec == "every:100ms" && s.Runs != int64(len(ticks)) && s.Runs != int64(len(ticks))+1 {
			t.Errorf("%d runs are counted, and %d were made", s.Runs, len(ticks))
		}
	}
}

func (r *rig) triggerRuns(name string) int64 {
	for _, s := range r.Triggers() {
		if s.Name == name {
			return s.Runs
		}
	}
	return -1
}

// BenchmarkTrigger compares requests for a route with those for a trigger.
func BenchmarkTrigger(b *testing.B) {
	w := newWorld(b)
	r := w.host(w.triggering("request:/r"))
	for _, path := range []string{"/d", "/r"} {
		b.Run(path, func(b *testing.B) {
			req := httptest.NewRequest("GET", path, nil)
			b.ReportAllocs()
			for b.Loop() {
				r.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}

// BenchmarkDeliver hands batches of 5,000 rows with a float to a plugin that doubles it, from Deliver to the end of the call.
func BenchmarkDeliver(b *testing.B) {
	const rows = 5000
	w := newWorld(b)
	w.file("w", "w1")
	o := w.options("w")
	o.Plugins[0].Triggers = []Trigger{{Spec: "write:*"}}
	r := w.host(o)
	busy := abi.Column{Name: "busy", Kind: abi.Float, Floats: make([]float64, rows)}
	host := abi.Column{Name: "host", Kind: abi.Tag, Strings: slices.Repeat([]string{"web1"}, rows)}
	tables := []abi.Table{{Name: "cpu", Times: make([]int64, rows), Columns: []abi.Column{host, busy}}}
	b.ReportAllocs()
	for b.Loop() {
		d, err := r.Deliver(b.Context(), "db", tables)
		if err != nil {
			b.Fatal(err)
		}
		<-d.Done()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/point")
}
