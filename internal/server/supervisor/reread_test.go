package supervisor

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// TestHandoverRereads orders handovers. Each takes up the configuration as it is then, or, if that is faulty, isn't made; one that is to
// keep what serves doesn't read it, nor does one that a worker asks for.
func TestHandoverRereads(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	c.write("settle", "2")
	handing := st.handover(control.HandoverRequest{Why: "an order"})
	taker := st.takesUp(giver, 2*time.Millisecond)
	if a, _ := receive(t, handing, "answer"); a.err != nil {
		t.Error(a.err)
	}
	c.write("settle", "3")
	c.fails(errors.New("no such key"))
	a := <-st.handover(control.HandoverRequest{Why: "an order", Program: "/proc/self/exe"})
	if a.err == nil || !strings.HasPrefix(a.err.Error(), "no such key\n") || !strings.Contains(a.err.Error(), "--keep-config") {
		t.Errorf("a faulty file: %v", a.err)
	}
	if s := st.status(); s.Worker.PID != taker.pid || s.Config.Failed == nil || s.Config.Failed.Why != "an order" || s.Failed != nil {
		t.Errorf("the status says %+v", s)
	}
	read := c.read()
	for _, ask := range []func(){
		func() { handing = st.handover(control.HandoverRequest{KeepConfig: true}) },
		func() { taker.say(worker.Word{Ask: &worker.Ask{ID: 1}}) },
	} {
		ask()
		next := st.worker()
		if g := taker.give(); g.Config != nil || next.began.Order.Start.Options.Settle != 2*time.Millisecond {
			t.Errorf("the giver is told %+v, the taker %+v", g, next.began.Order.Start)
		}
		next.serve(2)
		taker.given(next)
		taker = next
		st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == next.pid })
	}
	if a, _ := receive(t, handing, "answer"); a.err != nil || c.read() != read {
		t.Errorf("%v; the file was read %d times", a.err, c.read()-read)
	}
}

// TestHandoverProgram orders handovers to another program, with a configuration that this one can't read. Whether it is refused is the
// other one's matter, which reads it without touching anything; what serves in its probation is the configuration from before.
func TestHandoverProgram(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	c.fails(errors.New("no such key"))
	c.write("settle", "2")
	program := copyProgram(t, st.dir)
	t.Setenv(refuseEnv, "configuration")
	a := <-st.handover(control.HandoverRequest{Why: "an upgrade", Program: program})
	if a.err == nil || !strings.Contains(a.err.Error(), "line 3: a fault") || !strings.Contains(a.err.Error(), "--keep-config") {
		t.Errorf("a fault that the program finds: %v", a.err)
	}
	if s := st.status(); s.Config.Failed == nil || s.Config.Failed.Why != "an upgrade" || s.Failed != nil {
		t.Errorf("the status says %+v", s)
	}
	t.Setenv(refuseEnv, "")
	handing := st.handover(control.HandoverRequest{Program: program})
	taker := st.worker()
	if g := giver.give(); g.Config != nil || taker.began.Order.Start.Options.Settle != time.Millisecond {
		t.Errorf("the giver is told %+v, the taker %+v", g, taker.began.Order.Start)
	}
	taker.serve(2)
	giver.given(taker)
	if a, _ := receive(t, handing, "answer"); a.err != nil || c.read() != 0 {
		t.Errorf("%v; this program has read the file %d times", a.err, c.read())
	}
}

// TestHandoverProgramStays has a program that reads the configuration, but then can't take the supervisor's place: that it isn't taken up is
// in the status, until this program reads it.
func TestHandoverProgramStays(t *testing.T) {
	st, _ := newConfigured(t, func(o *Options) { o.Start.Options.Probation = time.Millisecond })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{Program: copyProgram(t, st.dir)})
	taker := st.worker()
	t.Setenv(refuseEnv, "1")
	giver.give()
	taker.serve(2)
	giver.given(taker)
	if a, _ := receive(t, handing, "answer"); a.err != nil {
		t.Fatal(a.err)
	}
	s := st.await(func(s control.Status) bool { return s.Config.Failed != nil })
	if s.Program.NotSupervisor == "" || !strings.Contains(s.Config.Failed.Error, s.Program.NotSupervisor) || !strings.Contains(s.Config.Failed.Error, "`sohost reload`") {
		t.Errorf("the status says %+v and %+v", s.Program, s.Config.Failed)
	}
	reloading := st.reload(t.Context())
	st.takesUp(taker, time.Millisecond)
	if r, _ := receive(t, reloading, "answer"); r.err != nil || st.status().Config.Failed != nil {
		t.Errorf("%v, and then the status says %+v", r.err, st.status().Config.Failed)
	}
}

// TestHandoverProgramLeft orders a handover to another program and leaves while that is tried: nobody says that the configuration is faulty.
func TestHandoverProgramLeft(t *testing.T) {
	st, _ := newConfigured(t, nil)
	st.start()
	t.Setenv(refuseEnv, "late")
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	program := copyProgram(t, st.dir)
	go func() {
		_, err := st.s.Handover(ctx, control.HandoverRequest{Program: program})
		left <- err
	}()
	st.awaitGoroutines(1, "", "(*Supervisor).rehearse(")
	leave()
	if err, _ := receive(t, left, "answer"); !errors.Is(err, context.Canceled) {
		t.Errorf("the answer is %v", err)
	}
	if failed := st.status().Config.Failed; failed != nil {
		t.Errorf("the status says %+v", failed)
	}
}

// TestHandoverSame orders two handovers at once, of a configuration in which nothing has changed: one handover answers both.
func TestHandoverSame(t *testing.T) {
	st, _ := newConfigured(t, nil)
	giver := st.start()
	first := st.handover(control.HandoverRequest{})
	taker := st.worker()
	second := st.handover(control.HandoverRequest{})
	st.awaitRequests(2)
	if g := giver.give(); g.Config != nil {
		t.Errorf("the giver is told %+v", g)
	}
	taker.serve(2)
	giver.given(taker)
	for _, handing := range []<-chan handed{first, second} {
		if a, _ := receive(t, handing, "answer"); a.err != nil || a.h.Taker != taker.pid {
			t.Errorf("the answer is %+v", a)
		}
	}
}

// TestBothSignals gets SIGUSR2 during a handover for another one, when a SIGHUP waits already: it follows both.
func TestBothSignals(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGUSR2)
	taker := st.worker()
	read := c.read()
	st.s.hangup <- syscall.SIGHUP
	signal(syscall.SIGUSR2)
	giver.give()
	taker.serve(2)
	giver.given(taker)
	last := st.worker()
	if g := taker.give(); g.Why != "SIGUSR2" {
		t.Errorf("the worker is told %+v", g)
	}
	last.serve(3)
	taker.given(last)
	st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == last.pid && c.read() == read+2 })
}

// TestAmendServed changes a plugin by command after the configuration from before was taken up: that is what the change lies over, and
// neither the file nor what the status says of it is touched.
func TestAmendServed(t *testing.T) {
	st, c := newConfigured(t, nil)
	giver := st.start()
	c.write("settle", "2")
	reload := func(r control.ReloadRequest, settle time.Duration) {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			_, err := st.client.Reload(t.Context(), r)
			done <- err
		}()
		giver = st.takesUp(giver, settle)
		if err, _ := receive(t, done, "answer"); err != nil {
			t.Error(err)
		}
	}
	reload(control.ReloadRequest{Back: true}, 2*time.Millisecond)
	c.fails(errors.New("no such key"))
	if r := <-st.reload(t.Context()); r.err == nil {
		t.Error("a faulty file is taken up")
	}
	before := st.status().Config
	c.fails(nil)
	c.write("settle", "3")
	amend := &control.Amendment{Verb: control.Disable, Plugin: "p"}
	reload(control.ReloadRequest{Amend: amend}, 3*time.Millisecond)
	if last := c.last(); !last.Served || last.Amend == nil || last.Back {
		t.Errorf("read is %+v", last)
	}
	if now := st.status().Config; !now.Back || !now.Read.Equal(before.Read) || now.Failed == nil || *now.Failed != *before.Failed {
		t.Errorf("the status says %+v, before %+v", now, before)
	}
	c.fails(errors.New("unknown plugin"))
	if _, err := st.client.Reload(t.Context(), control.ReloadRequest{Amend: amend}); err == nil || *st.status().Config.Failed != *before.Failed {
		t.Errorf("%v is %+v", err, st.status().Config.Failed)
	}
}
