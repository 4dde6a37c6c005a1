package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/executable"
	"github.com/sohost/sohost/internal/otlp/otlptest"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/systemd"
	"github.com/sohost/sohost/internal/server/worker"
)

// copyProgram copies the test binary, so that it can be told from it and taken away.
func copyProgram(t *testing.T, dir string) string {
	t.Helper()
	from, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "program")
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(path, content); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpgrade replaces the program of a server that has a worker and one that drains. The server goes on with both.
func TestUpgrade(t *testing.T) {
	dir, err := os.MkdirTemp("", "sup-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	st := &stage{t: t, dir: dir, workers: make(chan *puppet, 100),
		log: newJournal(t), client: control.NewClient(filepath.Join(dir, "c.sock"))}
	st.hangUp = direct(t, dir, st.workers)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	collector := otlptest.New(t)
	cmd := exec.Command(self, "run", dir)
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_SCHEDULE_DELAY=3600000") // sent at the end only
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(logs); lines.Scan(); {
			st.log.add(lines.Text())
		}
		exited <- cmd.Wait()
	}()
	t.Cleanup(func() { cmd.Process.Kill() })
	first := st.worker()
	first.crash("panic: x\n") // to be remembered
	giver := st.worker()
	giver.serve(1)
	before := st.await(func(s control.Status) bool { return s.Worker != nil && s.Hooks[0].Delivered > 0 })

	program := copyProgram(t, dir)
	handing := st.handover(control.HandoverRequest{Program: program})
	taker := st.worker()
	if g := giver.give(); g.Program != program {
		t.Errorf("the giver is told %+v", g)
	}
	if runs, err := os.Readlink("/proc/" + strconv.Itoa(taker.pid) + "/exe"); err != nil || runs != program {
		t.Errorf("the taker runs %s, %v", runs, err)
	}
	taker.serve(2)
	giver.given(taker)
	if a, _ := receive(t, handing, "answer"); a.err != nil {
		t.Fatal(a.err)
	}
	st.log.await("upgraded: this is another program in the same process")
	after := st.await(func(s control.Status) bool { return s.Worker != nil })
	if runs, err := os.Readlink("/proc/" + strconv.Itoa(after.PID) + "/exe"); err != nil || runs != program {
		t.Errorf("the supervisor runs %s, %v", runs, err)
	}
	if after.PID != before.PID || after.Worker.PID != taker.pid || after.Release != 2 || !after.Started.Equal(before.Started) {
		t.Errorf("the status was %+v and is %+v", before, after)
	}
	if len(after.Hooks) != 1 || after.Hooks[0].Delivered < before.Hooks[0].Delivered {
		t.Errorf("hooks were %+v and are %+v", before.Hooks, after.Hooks)
	}
	if len(before.Listeners) != 2 || !reflect.DeepEqual(before.Listeners, after.Listeners) {
		t.Errorf("the listeners were %+v and are %+v", before.Listeners, after.Listeners)
	}
	if len(after.Draining) != 1 || after.Draining[0].PID != giver.pid || after.Draining[0].Since == nil || after.Handover == nil || len(after.Crashes) != 1 {
		t.Errorf("the status is %+v", after)
	}
	if o := taker.order(); o.Answer == nil || o.Answer.ID != 0 || o.Answer.Error == "" {
		t.Errorf("what the worker has asked for is answered by %+v", o)
	}
	giver.exit(0)
	st.await(func(s control.Status) bool { return len(s.Draining) == 0 })

	// By signal, to the file that the server was started from.
	if err := errors.Join(cmd.Process.Signal(syscall.SIGHUP), cmd.Process.Signal(syscall.SIGUSR2)); err != nil {
		t.Fatal(err)
	}
	third := st.worker()
	if g := taker.give(); g.Why != "SIGUSR2" || g.Program != self {
		t.Errorf("after SIGUSR2 the worker is told %+v", g)
	}
	third.serve(3)
	taker.given(third)
	if o := third.order(); o.Answer == nil { // the third program of the process knows it
		t.Errorf("the worker is told %+v", o)
	}
	taker.exit(0)

	// What a worker that an earlier program has started leaves is still read.
	third.do(command{Calls: "p", Signal: int(syscall.SIGKILL)})
	fourth := st.worker()
	if c := fourth.began.Order.Start.Crashes; len(c) != 1 || len(c[0].Calls.Inside()) != 1 {
		t.Errorf("after the upgrade and a death a worker is told %+v", c)
	}
	if fourth.began.Files != 5 || len(fourth.began.Order.Start.Listeners) != 2 {
		t.Errorf("a worker gets %d files, for the listeners %+v", fourth.began.Files, fourth.began.Order.Start.Listeners)
	}
	fourth.serve(3)
	st.await(func(s control.Status) bool { return s.Worker != nil })

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !fourth.order().Finish {
		t.Error("the worker is not told to finish")
	}
	fourth.exit(0)
	if err, _ := receive(t, exited, "end of the server"); err != nil {
		t.Errorf("the server ends with %v; its log:\n%s", err, st.log)
	}
	if _, err := os.Lstat(filepath.Join(dir, "c.sock")); !os.IsNotExist(err) {
		t.Errorf("the control socket is left behind: %v", err)
	}
	toldAll(t, filepath.Join(dir, "told"))
	handovers := map[string]bool{} // by span: the answer to what was sent may be lost in an upgrade, and then it is sent again
	for _, s := range collector.Spans() {
		if s.Name == "handover" && s.With["sohost.outcome"] == "handed over" {
			handovers[string(s.SpanId)] = true
		}
	}
	if len(handovers) != 2 {
		t.Errorf("there are spans of %d handovers, want those to both programs: %v", len(handovers), collector.Spans())
	}
}

// toldAll reads the events of which a hook was told: none is missing, and they are in order. One that an upgrade has cut short may be
// there twice.
func toldAll(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var e, last events.Event
	for line := range bytes.Lines(text) {
		if err := json.Unmarshal(line, &e); err != nil || e.Seq != last.Seq && e.Seq != last.Seq+1 {
			t.Errorf("after event %d a hook is told %s: %v", last.Seq, line, err)
		}
		last = e
	}
	if last.Kind != generations.KindStop {
		t.Errorf("the last event of which a hook is told is %+v", last)
	}
}

// TestUpgradeFails has a new program that serves, but can't be the supervisor. All goes on.
func TestUpgradeFails(t *testing.T) {
	t.Setenv(refuseEnv, "1")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	st := newStage(t, func(o *Options, l *limits) { o.Start.Options.Probation, l.last = time.Millisecond, 0 })
	giver := st.start()
	program := copyProgram(t, st.dir)
	handing := st.handover(control.HandoverRequest{Program: program})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	st.log.await("upgrade the supervisor: the program before stays; the worker runs the new one")
	s := st.await(func(s control.Status) bool { return s.Release == 2 }) // until the puppet says so
	if !strings.Contains(s.Program.NotSupervisor, "it can't take over") || s.Program.Path != program || s.Config.Failed != nil {
		t.Errorf("the status says of the program %+v, of the configuration %+v", s.Program, s.Config)
	}
	if s.Worker.PID != taker.pid || len(s.Draining) != 1 || s.Spans == nil || s.Spans.Waiting == 0 {
		t.Errorf("the status is %+v", s)
	}
	// Both workers are heard.
	giver.say(worker.Word{Ask: &worker.Ask{ID: 5}})
	if o := giver.order(); o.Answer == nil || o.Answer.ID != 5 {
		t.Errorf("the old worker gets %+v", o)
	}
	giver.exit(0)
	st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
	// And so are signals. SIGHUP ends nothing.
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	st.log.await("the configuration is not taken up")
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	st.worker()
	if g := taker.give(); g.Why != "SIGUSR2" {
		t.Errorf("after SIGUSR2 the worker is told %+v", g)
	}
	taker.say(worker.Word{Given: &worker.Given{Error: "no"}})
	s = st.await(func(s control.Status) bool { return s.Failed != nil })
	if s.Failed.Error != "no" {
		t.Errorf("the status is %+v", s.Failed)
	}
	// It isn't tried again. The next worker's program is the new one, which was confirmed, even if it is gone from the disk.
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	taker.exit(1)
	next := st.worker()
	if runs := exeOf(t, next.pid); runs != program+" (deleted)" {
		t.Errorf("the next worker runs %s", runs)
	}
	next.serve(3)
	st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == next.pid })
	if n := strings.Count(st.log.String(), "upgrade the supervisor"); n != 1 {
		t.Errorf("the upgrade was tried %d times", n)
	}
	st.stop()
	next.order()
	next.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if _, err := os.Lstat(st.s.own.Load().ControlPath); !os.IsNotExist(err) {
		t.Errorf("the control socket is left behind: %v", err)
	}
}

// TestStopInUpgrade stops the server when its new program is about to take its place. That would know nothing of the stop: the
// supervisor stays, and ends.
func TestStopInUpgrade(t *testing.T) {
	t.Setenv(refuseEnv, "late")
	st := newStage(t, func(o *Options, l *limits) { o.Start.Options.Probation, l.last = time.Millisecond, 0 })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{Program: copyProgram(t, st.dir)})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	giver.exit(0)
	st.log.await("the new program has passed its probation")
	st.stop()
	if line := st.log.await("upgrade the supervisor: the program before stays"); !strings.Contains(line, context.Canceled.Error()) {
		t.Errorf("logged: %s", line)
	}
	if !taker.order().Finish {
		t.Error("the worker is not told to finish")
	}
	taker.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	// Nor does it take its place if the stop comes later, in the last moment.
	text := filepath.Join(st.dir, "text")
	if err := executable.Write(text, []byte("no program")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	program := &program{path: text, file: f} // which openProgram would refuse: it can't be executed
	defer program.close()
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	orders, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer orders.Close()
	other := newStage(t, nil)
	other.s.sockets = []socket{{file: orders}}
	if err := other.s.exec(stopped, program, orders, nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("exec: %v", err)
	}
	// A signal may be in one channel already, and not yet in another one.
	arrived := make(chan os.Signal, 1)
	arrived <- syscall.SIGTERM
	halted := make(chan struct{}, 1)
	other.s.halt = func() { halted <- struct{}{} }
	if err := other.s.lastStop(t.Context(), arrived); err != errStopped {
		t.Errorf("after a signal: %v", err)
	}
	receive(t, halted, "end")
	// If the program can't be executed, signals are heard as before.
	if err := other.s.exec(t.Context(), program, orders, nil, nil, nil); !errors.Is(err, syscall.ENOEXEC) {
		t.Errorf("exec: %v", err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	receive(t, halted, "end")
}

// exeOf returns the program that a process runs.
func exeOf(t *testing.T, pid int) string {
	t.Helper()
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProbation hands over to a program whose worker dies before it is confirmed. The program before comes back by itself.
func TestProbation(t *testing.T) {
	st := newStage(t, func(o *Options, l *limits) { o.Start.Options.Probation, l.last = never, 0 })
	giver := st.start()
	self, path := exeOf(t, os.Getpid()), copyProgram(t, st.dir)
	if s := st.status(); s.Program == nil || s.Program.Path != self || s.Program.Probation != nil {
		t.Errorf("before the handover the status says %+v", s.Program)
	}
	hand := func(giver *puppet, program string, release int) (taker *puppet) {
		t.Helper()
		handing := st.handover(control.HandoverRequest{Program: program})
		taker = st.worker()
		giver.give()
		taker.serve(release)
		giver.given(taker)
		if a, _ := receive(t, handing, "answer"); a.err != nil {
			t.Fatal(a.err)
		}
		giver.exit(0)
		return taker
	}
	trying := func(s control.Status) bool { return s.Program.Path == path && s.Program.Probation != nil }
	first := hand(giver, path, 2)
	s := st.await(trying)
	if len(s.Program.SHA256) != 64 || s.FailedProgram != nil {
		t.Errorf("in the probation the status says %+v, %+v", s.Program, s.FailedProgram)
	}
	// A worker that takes over meanwhile has the same program, whatever has become of its file.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := hand(first, "", 3)
	if runs := exeOf(t, second.pid); runs != path+" (deleted)" {
		t.Errorf("the second worker runs %s", runs)
	}
	second.crash("panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\n")
	third := st.worker()
	if runs := exeOf(t, third.pid); runs != self {
		t.Errorf("after the crash a worker runs %s, want %s", runs, self)
	}
	start := third.began.Order.Start
	if len(start.Crashes) != 1 || start.Crashes[0].Program != fmt.Sprintf("%s (%.12s)", path, s.Program.SHA256) || start.CrashesInARow != 0 {
		t.Errorf("it is told of %+v, %d in a row", start.Crashes, start.CrashesInARow)
	}
	third.serve(4)
	s = st.await(func(s control.Status) bool { return s.Worker != nil && s.Worker.PID == third.pid })
	if f := s.FailedProgram; f == nil || f.Path != path || len(f.SHA256) != 64 || f.Reason != "panic: x" || s.Program.Path != self {
		t.Errorf("afterwards the status says %+v, %+v", s.Program, f)
	}
	// It may be tried again, and be given up by order.
	path = copyProgram(t, st.dir)
	fourth := hand(third, path, 5)
	st.await(trying)
	fifth := hand(fourth, self, 6)
	if s := st.status(); s.Program.Path != self || s.Program.Probation != nil {
		t.Errorf("after an order to go back the status says %+v", s.Program)
	}
	fifth.exit(1)
	if sixth := st.worker(); len(sixth.began.Order.Start.Crashes) != 1 || sixth.began.Order.Start.Crashes[0].Program != "" {
		t.Errorf("the next worker is told of %+v", sixth.began.Order.Start.Crashes)
	}
}

// TestDrainedInUpgrade has an old worker end during an upgrade. Its files stay open, since the upgrade passes them on.
func TestDrainedInUpgrade(t *testing.T) {
	st := newStage(t, nil)
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	st.s.links.Lock() // as an upgrade does
	st.s.mu.Lock()
	p := st.s.drainingLocked()[0]
	st.s.mu.Unlock()
	giver.exit(0)
	receive(t, p.exited, "end of the old worker")
	st.awaitGoroutines(1, "[sync.Mutex.Lock", "(*Supervisor).drain(")
	if f, err := p.link.File(); err != nil {
		t.Errorf("the link can't be passed on: %v", err)
	} else {
		f.Close()
	}
	if len(st.status().Draining) != 1 {
		t.Error("the old worker is forgotten")
	}
	st.s.links.Unlock()
	st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
}

// TestInherit reads legacies that aren't any.
func TestInherit(t *testing.T) {
	if l, err := Inherit(nil); l != nil || err != nil {
		t.Errorf("without a program before: %+v, %v", l, err)
	}
	t.Setenv(resumeEnv, "nonsense")
	if _, err := Inherit(nil); err == nil {
		t.Error("a number that isn't one is no error")
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := inheritable(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(resumeEnv, strconv.Itoa(fd))
	if _, err := Inherit(nil); !errors.Is(err, io.EOF) {
		t.Errorf("an empty legacy: %v", err)
	}
	if _, has := os.LookupEnv(resumeEnv); has {
		t.Error("children would inherit the number")
	}
}

// TestNotify is what systemd hears: of the start, of handovers and of the end, and that the server is alive.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heard := make(chan string, 10000)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	await := func(prefix string) {
		t.Helper()
		var all []string
		for {
			text, _ := receive(t, heard, "message "+prefix)
			if strings.HasPrefix(text, prefix) {
				return
			}
			if all = append(all, text); !strings.HasPrefix(text, "WATCHDOG=1") {
				t.Errorf("before %s: %q", prefix, all)
			}
		}
	}
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "2000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	notifier, err := systemd.NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	st := newStage(t, func(o *Options, l *limits) { o.Notifier, l.last = notifier, 0 })
	giver := st.start()
	await("MAINPID=" + strconv.Itoa(os.Getpid()))
	await("READY=1")
	await("WATCHDOG=1")
	for _, fails := range []bool{true, false} {
		handing := st.handover(control.HandoverRequest{})
		await("RELOADING=1")
		taker := st.worker()
		giver.give()
		await("WATCHDOG=1")
		if fails {
			giver.say(worker.Word{Given: &worker.Given{Error: "no"}})
		} else {
			taker.serve(2)
			giver.given(taker)
		}
		receive(t, handing, "answer")
		await("READY=1")
		if !fails {
			giver.exit(0)
			giver = taker
		}
	}
	giver.exit(1)
	giver = st.worker()
	await("WATCHDOG=1")
	giver.serve(3)
	await("READY=1")
	st.log.await("worker serves")
	st.stop()
	await("STOPPING=1")
	giver.order()
	giver.exit(0)
	if err := st.end(); err != nil {
		t.Error(err)
	}
	os.Remove(socket)
	st.s.notify(notifier.Ready("")) // systemd is gone
	st.log.await("notify systemd")
}

// TestStopWithoutWorker stops the server when no worker serves but an old one drains.
func TestStopWithoutWorker(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	taker.exit(1)
	next := st.worker()
	st.stop()
	if !next.order().Finish {
		t.Error("the new worker is not told to finish")
	}
	next.exit(0)
	if !giver.order().Finish {
		t.Error("the old worker is not told to finish")
	}
	giver.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if len(st.s.draining) > 0 {
		t.Error("somebody is still draining")
	}
}
