package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// configuration is a file of which each reading is counted.
type configuration struct {
	mu       sync.Mutex // guards the rest
	readings int
	asked    Reading // the last time
	settings map[string]string
	is       file
}

// file is what is in a configuration besides its settings. A test changes it by change, beside a supervisor that reads it.
type file struct {
	store     string
	err       error
	keep      Keep
	listeners []listener.Settings
	own       Own
}

// Read is Options.Reread. The setting settle is the number of milliseconds that the Start has.
func (c *configuration) Read(which Reading) (next Configured, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readings++
	c.asked, next.Keep = which, c.is.keep
	next.Settings = maps.Clone(c.settings)
	fmt.Sscan(c.settings["settle"], &next.Start.Options.Settle)
	next.Start.Options.Settle *= time.Millisecond
	next.Start.Options.Store, next.Start.ShutdownTimeout = c.is.store, never
	next.Start.Listeners, next.Own = slices.Clone(c.is.listeners), c.is.own
	return next, c.is.err
}

// write changes the file. An empty value removes a setting.
func (c *configuration) write(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settings[key] = value; value == "" {
		delete(c.settings, key)
	}
}

func (c *configuration) change(how func(*file)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	how(&c.is)
}

// fails has later readings fail with err, or no more.
func (c *configuration) fails(err error) { c.change(func(f *file) { f.err = err }) }

// owns changes what the supervisor itself has.
func (c *configuration) owns(how func(*Own)) { c.change(func(f *file) { how(&f.own) }) }

// now returns what is in it.
func (c *configuration) now() (f file) {
	c.change(func(is *file) { f = *is })
	return f
}

func (c *configuration) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readings
}

func (c *configuration) last() Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// newConfigured returns a stage whose configuration can be read again.
func newConfigured(t *testing.T, set func(*Options)) (*stage, *configuration) {
	c := &configuration{settings: map[string]string{"listen": "here", "settle": "1"}}
	return newStage(t, func(o *Options, l *limits) {
		l.last, c.is.store = 0, o.Start.Options.Store
		start, err := c.Read(Reading{})
		if err != nil {
			t.Fatal(err)
		}
		o.Start, o.Settings, o.Reread = start.Start, start.Settings, c.Read
		if set != nil {
			set(o)
		}
		c.is.listeners, c.is.own = o.Start.Listeners, o.Own
		c.readings = 0
	}), c
}

type reloaded struct {
	control.ConfigReload
	err error
}

// reload asks for a reload until ctx ends.
func (st *stage) reload(ctx context.Context) <-chan reloaded {
	done := make(chan reloaded, 1)
	go func() {
		r, err := st.client.Reload(ctx, control.ReloadRequest{})
		done <- reloaded{r, err}
	}()
	return done
}

// takesUp has the next worker take a configuration up, and returns it.
func (st *stage) takesUp(giver *puppet, settle time.Duration) *puppet {
	st.t.Helper()
	taker := st.worker()
	if got := taker.began.Order.Start.Options.Settle; got != settle {
		st.t.Errorf("the taker is told to settle for %v, want %v", got, settle)
	}
	if g := giver.give(); g.Config == nil {
		st.t.Error("the giver is told no configuration")
	}
	taker.serve(2)
	giver.given(taker)
	return taker
}

// TestReloadTwice asks for a reload during another one whose client leaves. The second is read once the first is served, and is what a
// worker gets that is started after a crash.
func TestReloadTwice(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	c.write("settle", "2")
	ctx, leave := context.WithCancel(t.Context())
	first := st.reload(ctx)
	taker := st.worker()
	leave()
	receive(t, first, "answer")
	c.write("settle", "1") // as the first worker has it
	second := st.reload(t.Context())
	st.awaitGoroutines(2, "[select", "(*Supervisor).Reload(")
	if n := c.read(); n != 1 {
		t.Errorf("during a reload the configuration is read %d times", n)
	}
	giver.give()
	taker.serve(2)
	giver.given(taker)
	last := st.takesUp(taker, time.Millisecond)
	if r, _ := receive(t, second, "answer"); r.err != nil || len(r.Changes) != 1 || r.Changes[0].Was != "2" || r.Handover == nil {
		t.Errorf("the second reload: %+v", r)
	}
	c.write("settle", "3")
	third := st.reload(t.Context())
	last = st.takesUp(last, 3*time.Millisecond)
	receive(t, third, "answer")
	st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == last.pid })
	if l := st.s.legacy(); l.Start.Options.Settle != 3*time.Millisecond || l.Settings["settle"] != "3" {
		t.Errorf("the next program gets %+v, %v", l.Start, l.Settings)
	}
	last.crash("")
	if got := st.worker().began.Order.Start; got.Options.Settle != 3*time.Millisecond || got.Takes {
		t.Errorf("after a crash the worker is told %+v", got)
	}
}

// TestReloadFails has a configuration that can't be read, and one that the giver refuses, while other handovers wait. The one before
// stays, also for the worker that is started after a crash.
func TestReloadFails(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	c.fails(errors.New("no such key"))
	if r := <-st.reload(t.Context()); r.err == nil || r.err.Error() != "no such key" {
		t.Errorf("a faulty file: %+v", r)
	}
	c.fails(nil)
	if s := st.status(); s.Config.Failed == nil || s.Config.Failed.Error != "no such key" {
		t.Errorf("the status says %+v", s.Config)
	}
	plain := st.handover(control.HandoverRequest{Why: "before"})
	taker := st.worker()
	giver.give()
	c.write("settle", "2")
	reload := st.reload(t.Context())
	st.awaitGoroutines(2, "[select", "(*Supervisor).request(")
	taker.serve(2)
	giver.given(taker)
	if a, _ := receive(t, plain, "answer"); a.err != nil || taker.began.Order.Start.Options.Settle != time.Millisecond {
		t.Errorf("the handover before it: %v, %+v", a.err, taker.began.Order.Start)
	}
	refused := st.worker()
	taker.give()
	taker.say(worker.Word{Given: &worker.Given{Error: "refused"}})
	if r, _ := receive(t, reload, "answer"); r.err == nil || r.err.Error() != "refused" {
		t.Errorf("a refused configuration: %+v", r)
	}
	refused.gone()
	if s := st.status(); s.Config.Failed == nil || s.Config.Failed.Error != "refused" || s.Worker.PID != taker.pid {
		t.Errorf("the status says %+v", s)
	}
	taker.crash("")
	if got := st.worker().began.Order.Start.Options.Settle; got != time.Millisecond {
		t.Errorf("after a crash the worker is told to settle for %v", got)
	}
}

// TestReloadRestart changes what needs a restart, back and forth: the store, and what systemd has opened. Nothing is handed over, and the
// store stays what it is.
func TestReloadRestart(t *testing.T) {
	st, c := newConfigured(t, func(o *Options) { o.Listeners[0].Stays, o.ControlPath = true, "" })
	st.start()
	for _, test := range []struct{ key, value, changes string }{
		{"control", "there", "[{control  there true}]"},
		{"listen", "elsewhere", "[{control  there true} {listen here elsewhere true}]"},
		{"control", "", "[{listen here elsewhere true}]"},
		{"listen", "here", "[]"},
		{"store", "/another", "[{store  /another true}]"},
	} {
		c.write(test.key, test.value)
		c.change(func(f *file) { f.store = "/another" })
		r := <-st.reload(t.Context())
		s, store := st.status(), st.s.start.Load().Options.Store
		if fmt.Sprint(r.Changes) != test.changes || r.err != nil || r.Handover != nil || fmt.Sprint(s.Config.Restart) != test.changes || store != st.dir {
			t.Errorf("%s = %q: %+v, and the status says %+v; workers get store %s", test.key, test.value, r, s.Config, store)
		}
	}
}

// TestReloadUnlisted hands over for what a worker is told, whether or not a setting shows it.
func TestReloadUnlisted(t *testing.T) {
	st, c := newConfigured(t, func(o *Options) { o.Start.Verbose = true })
	giver := st.start()
	reload := st.reload(t.Context())
	st.takesUp(giver, time.Millisecond)
	if r, _ := receive(t, reload, "answer"); r.err != nil || len(r.Changes) != 0 || c.read() != 1 {
		t.Errorf("the reload: %+v", r)
	}
}

// TestReloadUnknown follows a program that has left no settings: nobody knows which store the file named when the server was started.
func TestReloadUnknown(t *testing.T) {
	st, c := newConfigured(t, func(o *Options) { o.Settings = nil })
	giver := st.start()
	c.write("store", "there")
	c.write("settle", "2")
	reload := st.reload(t.Context())
	st.takesUp(giver, 2*time.Millisecond)
	if r, _ := receive(t, reload, "answer"); r.err != nil || fmt.Sprint(r.Changes) != "[{listen  here false} {settle  2 false}]" {
		t.Errorf("the reload: %+v", r)
	}
	if s := st.status(); len(s.Config.Restart) != 0 {
		t.Errorf("the status says %+v", s.Config)
	}
	c.write("store", "elsewhere")
	if r := <-st.reload(t.Context()); fmt.Sprint(r.Changes) != "[{store there elsewhere true}]" {
		t.Errorf("the reload after that: %+v", r)
	}
}

// TestResumedConfig goes on after a program that has left no configuration: that was read when the server was started.
func TestResumedConfig(t *testing.T) {
	l := Legacy{Started: time.Unix(7, 0)}
	if s := l.config(); !s.Read.Equal(l.Started) {
		t.Errorf("it was read at %v", s.Read)
	}
	l.Config = control.ConfigStatus{Read: time.Unix(9, 0), Failed: &control.FailedHandover{Why: "SIGHUP"}}
	if s := l.config(); !s.Read.Equal(time.Unix(9, 0)) || s.Failed == nil {
		t.Errorf("the status is %+v", s)
	}
}
