package supervisor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// TestServe runs a server from its start to its end.
func TestServe(t *testing.T) {
	t.Parallel()
	serving := make(chan control.Status, 2)
	st := newStage(t, func(o *Options, l *limits) {
		o.Serving = func(s control.Status) { serving <- s }
		o.Start.LogFormat, o.Start.Verbose = "json", true
	})
	st.run()
	p := st.worker()
	start := p.began.Order.Start
	if p.began.Files != 4 || start.Takes || start.LogFormat != "json" || !start.Verbose || start.ShutdownTimeout != never ||
		len(start.Crashes) > 0 {
		t.Errorf("the first worker is told %+v with %d files", start, p.began.Files)
	}
	var lock syscall.Stat_t
	if err := syscall.Fstat(int(st.s.opts.Lock.File().Fd()), &lock); err != nil {
		t.Fatal(err)
	}
	if p.began.Address != st.s.opts.Listeners[0].Addr().String() || p.began.Lock != lock.Ino {
		t.Errorf("it has the socket %s and the lock %d", p.began.Address, p.began.Lock)
	}
	p.serve(7)
	if s, _ := receive(t, serving, "word that the server serves"); s.Release != 7 || s.PID != os.Getpid() {
		t.Errorf("the server begins with %+v", s)
	}

	s := st.status()
	if s.Release != 7 || len(s.Plugins) != 1 || s.PID != os.Getpid() || s.Started.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	if s.Worker == nil || s.Worker.PID != p.pid || s.Worker.Started.Before(s.Started) || s.Worker.Memory < 1<<20 ||
		s.SupervisorMemory < 1<<20 {
		t.Errorf("the worker is %+v, and the supervisor's memory %d", s.Worker, s.SupervisorMemory)
	} else if s.Memory != s.SupervisorMemory+s.Worker.Memory {
		t.Errorf("all memory is %d, want %d and %d", s.Memory, s.SupervisorMemory, s.Worker.Memory)
	}
	brief, err := st.client.Brief(t.Context())
	if err != nil || brief.Release != 7 || brief.Worker.PID != p.pid || brief.Memory+brief.SupervisorMemory+brief.Worker.Memory != 0 {
		t.Errorf("the brief status is %+v, %v", brief, err)
	}

	st.stop()
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	p.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if _, err := os.Lstat(st.s.own.Load().ControlPath); !os.IsNotExist(err) {
		t.Errorf("the control socket is left behind: %v", err)
	}
	if _, err := st.s.Handover(t.Context(), control.HandoverRequest{}); !errors.Is(err, control.ErrStopping) {
		t.Errorf("a handover after the end: %v", err)
	}
}

// TestFirstFails has a first worker that can't serve. Nobody tries again.
func TestFirstFails(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	st.run()
	p := st.worker()
	p.say(worker.Word{Failed: "the store is broken"})
	p.exit(1)
	if err := st.end(); err == nil || err.Error() != "the store is broken" {
		t.Errorf("the server ends with %v", err)
	}
}

// TestFirstStopped ends the server before its first worker serves.
func TestFirstStopped(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	st.run()
	p := st.worker()
	st.stop()
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	p.exit(0)
	if err := st.end(); err != nil { // it has ended as it was told
		t.Errorf("the server ends with %v", err)
	}
}

// TestFinish ends servers whose worker doesn't finish well.
func TestFinish(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(*puppet)
		want string
	}{
		{"fails", func(p *puppet) { p.say(worker.Word{Failed: "a checkpoint is lost"}); p.exit(1) }, "a checkpoint is lost"},
		{"dies", func(p *puppet) { p.exit(3) }, "exit status 3"},
		{"stays", func(*puppet) {}, "the worker didn't finish in time and was killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, func(o *Options, l *limits) {
				if test.name == "stays" {
					o.Start.ShutdownTimeout, l.grace = 10*time.Millisecond, 10*time.Millisecond
				}
			})
			p := st.start()
			st.stop()
			if test.name != "stays" {
				p.order()
			}
			test.do(p)
			if err := st.end(); err == nil || err.Error() != test.want {
				t.Errorf("the server ends with %v, want %s", err, test.want)
			}
			p.gone()
		})
	}
}

// TestRestart has workers that die: before they serve, while they do, and because they can't.
func TestRestart(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	st.run()
	st.worker().crash("panic: first\n\ngoroutine 1 [running]:\nmain.main()\n")

	second := st.worker()
	start := second.began.Order.Start
	if c := start.Crashes; len(c) != 1 || !strings.HasPrefix(c[0].Output, "panic: first") || c[0].Exit != "exit status 2" ||
		start.CrashesInARow != 1 {
		t.Errorf("after the first crash a worker is told %+v, %d in a row", c, start.CrashesInARow)
	}
	second.say(worker.Word{Failed: "no port"})
	second.exit(1)

	third := st.worker()
	start = third.began.Order.Start
	if c := start.Crashes; len(c) != 1 || start.CrashesInARow != 2 {
		t.Errorf("after a worker that said why it failed, the next is told %+v, %d in a row", c, start.CrashesInARow)
	}
	third.serve(1)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	third.do(command{Calls: "p", Signal: int(syscall.SIGKILL)})

	fourth := st.worker()
	start = fourth.began.Order.Start
	if c := start.Crashes; len(c) != 1 || c[0].Exit != "signal: killed" ||
		start.CrashesInARow != 3 {
		t.Errorf("after a worker that served, the next is told %+v, %d in a row", c, start.CrashesInARow)
	}
	if in := start.Crashes[0].Calls.Inside(); len(in) != 1 || in[0].Plugin != "p" || in[0].Image != (generations.ID{1}) {
		t.Errorf("after a worker that was in a call, the next is told %+v", in)
	}
	if s := st.status(); s.Worker != nil || s.Store != st.dir || s.Plugins == nil {
		t.Errorf("while none serves the status is %+v", s)
	}
	fourth.serve(2)
	s := st.await(func(s control.Status) bool { return s.Worker != nil })
	if s.Worker.PID != fourth.pid || s.Release != 2 || len(s.Crashes) != 3 {
		t.Fatalf("the status is %+v", s)
	}
	for i, want := range []string{"panic: first", "no port", "signal: killed, by another process, or by the kernel because memory ran out (see dmesg)"} {
		if c := s.Crashes[i]; c.Reason != want || c.PID == 0 || c.Time.IsZero() || (c.File != "") != (i != 1) {
			t.Errorf("crash %d is %+v, want %s", i, c, want)
		}
	}
	text, err := os.ReadFile(s.Crashes[0].File)
	if err != nil || !strings.Contains(string(text), "panic: first\n\ngoroutine 1") ||
		!strings.HasPrefix(string(text), fmt.Sprintf("worker %d, ", s.Crashes[0].PID)) {
		t.Errorf("the first crash's file has %q, %v", text, err)
	}
	if text, err := os.ReadFile(s.Crashes[2].File); err != nil || !strings.Contains(string(text), "\np 010000000000: in New\n") {
		t.Errorf("the last crash's file has %q, %v", text, err)
	}
	if c := s.Crashes[2].Calls; len(c.Inside()) != 1 {
		t.Errorf("the last crash was in %+v", c)
	}
	if filepath.Dir(s.Crashes[0].File) != filepath.Join(st.dir, "crashes") {
		t.Errorf("it is %s", s.Crashes[0].File)
	}

	st.await(func(s control.Status) bool { return s.Worker != nil })
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	fourth.give()
	fourth.given(taker)
	receive(t, handing, "answer")
	taker.crash("") // after a handover the count begins anew
	if n := st.worker().began.Order.Start.CrashesInARow; n != 1 {
		t.Errorf("after a handover and a crash: %d in a row", n)
	}
}

// TestSettled has a worker that served for long enough before it died.
func TestSettled(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.settled = 0 })
	p := st.start()
	for range 3 {
		p.exit(1)
		p = st.worker()
		if n := p.began.Order.Start.CrashesInARow; n != 1 {
			t.Fatalf("it is the %dth crash in a row", n)
		}
		p.serve(1)
	}
}

// TestPause stops the server while it waits before it starts another worker.
func TestPause(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.firstPause = never })
	st.start().exit(1)
	p := st.worker() // at once
	p.exit(1)
	p.gone()
	st.await(func(s control.Status) bool { return len(s.Crashes) == 2 })
	st.stop()
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if len(st.workers) > 0 {
		t.Error("a worker was started without a pause")
	}
}

func TestBackoff(t *testing.T) {
	l := defaultLimits()
	for n, want := range []time.Duration{0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if got := l.backoff(n); got != want*time.Millisecond {
			t.Errorf("after %d crashes: %v, want %v", n, got, want*time.Millisecond)
		}
	}
	if got := l.backoff(1 << 40); got != l.maxPause {
		t.Errorf("after very many crashes: %v", got)
	}
}

// TestPending has many crashes before a worker serves. Their reports fit into the order to start, whatever their output is.
func TestPending(t *testing.T) {
	s := New(Options{})
	for i := range 30 {
		s.pend(sohost.Crash{Exit: strconv.Itoa(i), Output: strings.Repeat("\x01", crash.MaxOutput)})
	}
	if len(s.pending) != keptCrashes || s.pending[0].Exit != "10" || s.pending[keptCrashes-1].Exit != "29" {
		t.Errorf("%d reports are kept, from %s on", len(s.pending), s.pending[0].Exit)
	}
	for i, r := range s.pending {
		want := pendingOutput
		if i == keptCrashes-1 {
			want = crash.MaxOutput
		}
		if len(r.Output) != want {
			t.Errorf("report %d has %d bytes of output, want %d", i, len(r.Output), want)
		}
	}
	a, b, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	from, err := passing.New(a)
	if err != nil {
		t.Fatal(err)
	}
	to, err := passing.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	var start worker.Start
	start.Crashes = s.pending
	sent := make(chan error, 1)
	go func() { sent <- from.Send(worker.Order{Start: &start}) }()
	var got worker.Order
	if _, err := to.Receive(&got); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil || len(got.Start.Crashes) != keptCrashes {
		t.Errorf("the order to start: %v", err)
	}
}

// TestOutputs has many crashes with an output. The newest files stay.
func TestOutputs(t *testing.T) {
	s := New(Options{Start: worker.Start{}})
	s.start.Load().Options.Store = t.TempDir()
	var err error
	if s.opts.Lock, err = generations.AcquireLock(t.Context(), s.start.Load().Options.Store); err != nil {
		t.Fatal(err)
	}
	defer s.opts.Lock.Close()
	begin := time.Now()
	var files []string
	for i := range keptCrashes + 3 {
		file, err := s.keep(&crash.Report{PID: i, Ended: begin.Add(time.Duration(i) * time.Second),
			Exit: "exit status 2", Output: "panic: x\n"})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	for i, file := range files {
		_, err := os.Stat(file)
		if gone := os.IsNotExist(err); gone != (i < 3) {
			t.Errorf("file %d: %v", i, err)
		}
	}
	if file, err := s.keep(&crash.Report{}); file != "" || err != nil {
		t.Errorf("without output there is %q, %v", file, err)
	}
	s.start.Load().Options.Store = files[10]
	if _, err := s.keep(&crash.Report{Output: "x"}); err == nil {
		t.Error("a store that can't have the file is no error")
	}
}

// TestOrderFails has orders to start that don't reach the worker. The error says why, and the worker is gone.
func TestOrderFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		child []string
		hangs bool // after it has closed its end
		close bool
		arg   int
		want  string
	}{
		{"ended", []string{"sh", "-c", "exit 3"}, false, true, 0, "it ended before it knew what to serve (why: exit status 3)"},
		{"too large", []string{"sleep", "1000"}, false, false, passing.MaxMessage, "the limits are"},
		{"closed", []string{"sleep", "1000"}, true, true, 0, "broken pipe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, func(_ *Options, l *limits) {
				if test.hangs {
					l.grace = 10 * time.Millisecond
				}
			})
			st.s.openSockets()
			defer st.s.closeSockets()
			p, theirs := child(t, test.child...)
			if test.close {
				theirs.Close()
			}
			var start worker.Start
			start.LogFormat = strings.Repeat("x", test.arg)
			if err := st.s.order(p, &start, st.s.listening()); err == nil || !strings.Contains(err.Error(), test.want) ||
				strings.Contains(err.Error(), "killed") {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
			if !p.gone() {
				t.Error("the worker is still there")
			}
			p.close()
		})
	}
}

// child is the process of a command that knows nothing of the link, and the other end of that.
func child(t *testing.T, command ...string) (p *process, theirs *passing.Conn) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	a, b, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	link, err := passing.New(a)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = passing.New(b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	output, err := passing.MemoryFile("output")
	if err != nil {
		t.Fatal(err)
	}
	return watch(cmd.Process, time.Now(), link, output, nil, new(children), events.NewLog(time.Now())), theirs
}

// TestKillProof kills a process that doesn't end. It is waited for as long as the limit says and not longer.
func TestKillProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newJournal(t)
		s := New(Options{Log: slogOf(log)})
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		// Nobody waits for the child: its end isn't noticed, as if it never came.
		output, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		p := &process{proc: cmd.Process, pid: cmd.Process.Pid, exited: make(chan struct{}), output: output, hung: "it didn't answer"}
		begin := time.Now()
		s.kill(p)
		if took := time.Since(begin); took != s.limits.death {
			t.Errorf("kill took %v, want %v", took, s.limits.death)
		}
		if !p.gone() || p.succeeded() || p.ended.IsZero() {
			t.Error("it doesn't count as gone")
		}
		if r := p.report(); r.Exit != crash.Killed || r.Signal != syscall.SIGKILL || r.ExitCode != -1 || r.PID != p.pid ||
			r.Why != p.hung {
			t.Errorf("the report is %+v", r)
		}
		if !log.has("hangs in the kernel") {
			t.Errorf("it is not logged, but only:\n%s", log)
		}
		p.end(nil, false) // the kernel lets go of it at last
		if p.succeeded() {
			t.Error("it succeeded later")
		}
		s.kill(p) // doesn't wait for what is gone
		if took := time.Since(begin); took != s.limits.death {
			t.Errorf("a second kill waited")
		}
	})
}

// TestEndUnknown has a worker end whose exit status the program before an upgrade got.
func TestEndUnknown(t *testing.T) {
	output, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p := &process{exited: make(chan struct{}), output: output, pid: 7}
	p.end(nil, false)
	if !p.succeeded() || p.why() != "ended while the supervisor was replaced" || p.report().PID != 7 || p.report().Ended.IsZero() {
		t.Errorf("its end is %+v", p.report())
	}
}

// TestHang has workers that don't answer. They tell their stacks, if they still can, and are replaced.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   command
		exit string
	}{
		{"deaf", command{Deaf: true}, "exit status 2"},
		{"stopped", command{Signal: int(syscall.SIGSTOP)}, "exit status 2"},
		{"tough", command{Deaf: true}, "signal: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, func(_ *Options, l *limits) {
				if test.name == "tough" {
					l.grace = 10 * time.Millisecond
				}
			})
			p := st.start()
			p.do(command{Tough: test.name == "tough", Status: 200, Body: statusOf(7)})
			st.await(func(s control.Status) bool { return s.Release == 7 }) // until it is
			p.do(test.do)
			st.hangAfter(2 * time.Second)
			found := st.log.await("worker doesn't answer and is replaced")
			st.hangAfter(never)
			line := st.log.await("worker died")
			why := regexp.MustCompile(`why=it didn't answer for ([2-9]|\d\d+)s`).FindString(line)
			if !strings.Contains(line, "exit="+test.exit) || why == "" || !strings.Contains(found, why) {
				t.Errorf("logged: %s; want %s", line, test.exit)
			}
			next := st.worker()
			stops := test.name == "stopped" // which is no image's fault
			if c := next.began.Order.Start.Crashes; len(c) != 1 || !strings.HasPrefix(c[0].Why, "it didn't answer") ||
				c[0].Stopped != stops || strings.HasSuffix(c[0].Why, ": somebody had stopped it (SIGSTOP, or a debugger)") != stops {
				t.Errorf("the next worker is told %+v", c)
			}
		})
	}
}

// TestAlive has a worker that answers for many times as long as it may be silent.
func TestAlive(t *testing.T) {
	t.Parallel()
	p, theirs := child(t, "sleep", "1000")
	if p.silence() != 0 {
		t.Error("it owes an answer before it was asked")
	}
	for n := uint64(1); n < 4; n++ {
		p.ping(n)
		var o worker.Order
		if _, err := theirs.Receive(&o); err != nil || o.Ping != n {
			t.Fatalf("ping %d arrives as %+v, %v", n, o, err)
		}
		if p.silence() <= 0 {
			t.Error("it owes no answer")
		}
		if err := theirs.Send(worker.Word{Pong: n}); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); p.silence() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("an answer is not noticed")
			}
		}
	}
	theirs.Close() // else the end of the process would be awaited for longer: it may have said something yet
	p.proc.Kill()
	<-p.exited
	p.close()
}

// TestStatus asks a worker that doesn't know what it serves. The rest is there.
func TestStatus(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	p := st.start()
	p.do(command{Status: 200, Body: "{"})
	s := st.await(func(s control.Status) bool { return s.Release == 0 }) // until the puppet has the command
	if s.Worker == nil || s.Worker.PID != p.pid || s.Release != 0 || s.Store != st.dir || s.Plugins == nil {
		t.Errorf("the status is %+v", s)
	}
	st.log.await("ask the worker for its status")

	p.do(command{Status: 200, Body: `[{"kind":"deploy"}]`})
	events, err := st.client.History(t.Context(), 5)
	for ; err != nil; events, err = st.client.History(t.Context(), 5) { // until the puppet has the command
	}
	if len(events) != 1 || events[0].Kind != "deploy" {
		t.Errorf("the worker's answer arrives as %+v", events)
	}
}

// TestPublic has the socket for HTTP served by whoever serves: the supervisor closes its own at the end.
func TestPublic(t *testing.T) {
	st := newStage(t, func(o *Options, l *limits) { o.Listeners[0].Listener = notAFile{o.Listeners[0]} })
	st.run()
	if err := st.end(); err == nil || !strings.Contains(err.Error(), "can't be passed to a worker") {
		t.Errorf("a listener without a file: %v", err)
	}
}

func TestResident(t *testing.T) {
	if m := resident(os.Getpid()); m < 1<<20 || m > 1<<34 {
		t.Errorf("this process takes %d bytes", m)
	}
	if m := resident(1 << 30); m != 0 {
		t.Errorf("no process takes %d bytes", m)
	}
}

// TestIdle gives memory back less and less often while nothing happens, and at once after a handover.
func TestIdle(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) {
		l.lean, l.fat, l.slimFirst, l.slimMax = 1, 1<<40, 5*time.Second, 10*time.Minute
	})
	slimmed := func() int { return strings.Count(st.log.String(), "memory given back") }
	now := time.Now()
	for range 3600 {
		st.s.slimIfFat(now)
		now = now.Add(time.Second)
	}
	if n := slimmed(); n < 2 || n > 15 {
		t.Errorf("in an idle hour memory was given back %d times", n)
	}
	st.s.notifyReady()
	before := slimmed()
	st.s.slimIfFat(now)
	if n := slimmed() - before; n != 1 {
		t.Errorf("after work memory was given back %d times more, want once", n)
	}
	st.s.limits.fat, before = 1, slimmed()
	for range 3 {
		st.s.slimIfFat(now)
	}
	if n := slimmed() - before; n != 3 {
		t.Errorf("when there is far too much, memory was given back %d times of 3", n)
	}
}

// TestStopListening stops a server whose worker goes on for a while. Connections that wait are accepted, later ones are refused.
func TestStopListening(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.backlog = never })
	p := st.start()
	address := p.began.Address
	waits, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	for deadline := time.Now().Add(patience); backlog(st.s.listening()[0].file) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // a client may know first that it is connected, and nothing can be waited for
	}
	st.stop()
	if n := backlog(st.s.listening()[0].file); n != 1 {
		t.Errorf("%d connections wait, want one", n)
	}
	accepted, err := st.s.opts.Listeners[0].Accept() // as a worker does
	if err != nil {
		t.Fatalf("the connection that waited: %v", err)
	}
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	for _, network := range []string{"tcp", "tcp4"} {
		if c, err := net.Dial(network, address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new connection while the worker finishes: %v, %v", c, err)
		}
	}
	if _, err := accepted.Write([]byte("answer")); err != nil {
		t.Errorf("the connection that was accepted: %v", err)
	}
	if b, err := io.ReadAll(io.LimitReader(waits, 6)); string(b) != "answer" {
		t.Errorf("the client that waited gets %q, %v", b, err)
	}
	accepted.Close()
	p.exit(0)
	if err := st.end(); err != nil {
		t.Error(err)
	}
}

// TestSocketStays stops a server whose socket is systemd's: connections wait for the next server.
func TestSocketStays(t *testing.T) {
	st := newStage(t, func(o *Options, l *limits) { o.Listeners[0].Stays = true })
	p := st.start()
	st.stop()
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	p.exit(0)
	if err := st.end(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", p.began.Address)
	if err != nil {
		t.Fatalf("after the server's end: %v", err)
	}
	c.Close()
}

// TestBooting asks for the status while the first worker boots, and when the worker can't be asked. Neither is an empty server's.
func TestBooting(t *testing.T) {
	st := newStage(t, nil)
	st.run()
	p := st.worker()
	p.say(worker.Word{Booting: &sohost.BootProgress{Done: 108, Total: 110, Pending: []string{"a", "b"}}})
	s := st.await(func(s control.Status) bool { return s.Booting != nil })
	if s.Booting.String() != "booted 108 of 110 plugins; pending: a, b" || s.Unknown != "no worker serves yet" {
		t.Errorf("the status says %+v, %q", s.Booting, s.Unknown)
	}
	p.do(command{Status: 500, Body: "no JSON"})
	p.say(worker.Word{Serving: &worker.Serving{Release: 1}})
	s = st.await(func(s control.Status) bool { return s.Worker != nil })
	if !strings.HasPrefix(s.Unknown, "the worker doesn't answer: ") || s.Booting != nil {
		t.Errorf("of a worker that can't be asked the status says %+v, %q", s.Booting, s.Unknown)
	}
	p.serve(1)
	st.await(func(s control.Status) bool { return s.Unknown == "" && len(s.Plugins) == 1 })
}
