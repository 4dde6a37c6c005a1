package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/executable"
	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
	"golang.org/x/sys/unix"
)

// TestHandover hands over from one worker to another, which get both ends of two sockets.
func TestHandover(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	giver := st.start()
	images := map[string]string{"counter": "/counter.so"}
	handing := st.handover(control.HandoverRequest{Why: "a test", Images: images})
	taker := st.worker()
	if start := taker.began.Order.Start; !start.Takes || taker.began.Files != 6 || start.Options.Store != st.dir {
		t.Errorf("the taker is told %+v with %d files", start, taker.began.Files)
	}
	if g := giver.give(); g.Why != "a test" || !reflect.DeepEqual(g.Images, images) || g.Program != "" {
		t.Errorf("the giver is told %+v", g)
	}
	read := map[string]bool{}
	for range 2 { // at the end of what the giver has written, when nobody else has its ends open
		e := taker.next()
		if e.Read == nil {
			t.Fatalf("the taker reports %+v", e)
		}
		read[*e.Read] = true
	}
	if !read["states"] || !read["connections"] {
		t.Errorf("the taker reads %v", read)
	}
	taker.serve(5)
	if s := st.status(); s.Worker.PID != giver.pid || len(s.Draining) > 0 {
		t.Errorf("before the giver has given, the status is %+v", s)
	}
	giver.given(taker)
	if a, _ := receive(t, handing, "answer"); a.err != nil || a.h.Giver != giver.pid || a.h.Taker != taker.pid {
		t.Errorf("the answer is %+v, %v", a.h, a.err)
	}
	s := st.await(func(s control.Status) bool { return s.Release == 5 }) // until the puppet says so
	if s.Worker.PID != taker.pid || s.Handover == nil || s.Handover.Taker != taker.pid || s.Failed != nil {
		t.Errorf("after the handover the status is %+v", s)
	}
	if len(s.Draining) != 1 || s.Draining[0].PID != giver.pid || s.Memory != s.SupervisorMemory+s.Worker.Memory+s.Draining[0].Memory {
		t.Errorf("draining are %+v, and the memory is %d", s.Draining, s.Memory)
	}
	st.log.await("handover begins why=a test")
	st.log.await(fmt.Sprintf("from=%d to=%d", giver.pid, taker.pid))
	giver.exit(0)
	s = st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
	if len(s.Crashes) > 0 || st.log.has("died") {
		t.Errorf("the giver's end counts as a crash: %+v", s.Crashes)
	}
}

// TestJoin has requests for handovers arrive during one. Plain ones get its result, all others handovers of their own.
func TestJoin(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	first := st.handover(control.HandoverRequest{Why: "first"})
	taker := st.worker()
	giver.give()
	second := st.handover(control.HandoverRequest{Why: "second"})
	special := st.handover(control.HandoverRequest{Why: "special", Images: map[string]string{"a": "/a"}})
	giver.say(worker.Word{Ask: &worker.Ask{ID: 8, Why: "a new package"}})
	st.awaitRequests(4)
	taker.serve(2)
	giver.given(taker)
	for _, answers := range []<-chan handed{first, second} {
		if a, _ := receive(t, answers, "answer"); a.err != nil || a.h.Taker != taker.pid {
			t.Errorf("the answer is %+v, %v", a.h, a.err)
		}
	}
	if o := giver.order(); o.Answer == nil || o.Answer.ID != 8 || o.Answer.Error != "" {
		t.Errorf("the old worker's request is answered by %+v", o)
	}

	third := st.worker()
	if g := taker.give(); g.Why != "special" || len(g.Images) != 1 {
		t.Errorf("the second handover is %+v", g)
	}
	plain := st.handover(control.HandoverRequest{Why: "plain"})
	taker.say(worker.Word{Ask: &worker.Ask{ID: 9, Why: "leftovers"}})
	st.awaitRequests(3)
	taker.say(worker.Word{Given: &worker.Given{Error: "refused"}})
	for _, answers := range []<-chan handed{special, plain} {
		if a, _ := receive(t, answers, "answer"); a.err == nil || a.err.Error() != "refused" {
			t.Errorf("the answer is %+v, %v", a.h, a.err)
		}
	}
	third.gone()
	// The worker's own request is tried by itself.
	fourth := st.worker()
	if g := taker.give(); g.Why != "leftovers" {
		t.Errorf("the third handover is %+v", g)
	}
	taker.say(worker.Word{Given: &worker.Given{Error: "refused again"}})
	if o := taker.order(); o.Answer == nil || o.Answer.ID != 9 || o.Answer.Error != "refused again" {
		t.Errorf("the worker's request is answered by %+v", o)
	}
	fourth.gone()
	if s := st.status(); s.Worker.PID != taker.pid || s.Failed == nil || s.Failed.Error != "refused again" ||
		s.Failed.Why != "leftovers" || s.Failed.Time.IsZero() {
		t.Errorf("the status is %+v", s)
	}
}

// TestAskFromBefore has a worker that was replaced ask for a handover. It gets an answer and no handover.
func TestAskFromBefore(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	giver.say(worker.Word{Ask: &worker.Ask{ID: 3}})
	if o := giver.order(); o.Answer == nil || o.Answer.ID != 3 || o.Answer.Error != "" {
		t.Errorf("it is answered by %+v", o)
	}
	if len(st.workers) > 0 {
		t.Error("there is another worker")
	}
}

// TestStale has a request of a replaced worker wait beside one of somebody else. The first gets an answer, the second a handover.
func TestStale(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{Images: map[string]string{"a": "/a"}})
	taker := st.worker()
	giver.give()
	next := st.handover(control.HandoverRequest{Images: map[string]string{"b": "/b"}})
	st.awaitRequests(2)
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	st.worker()
	taker.give()
	// From here on requests wait for the taker's report. The first is the giver's, which was replaced.
	giver.say(worker.Word{Ask: &worker.Ask{ID: 4}})
	st.awaitRequests(2)
	plain := st.handover(control.HandoverRequest{Why: "plain", Images: map[string]string{"c": "/c"}})
	st.awaitRequests(3)
	taker.say(worker.Word{Given: &worker.Given{Error: "no"}})
	if a, _ := receive(t, next, "answer"); a.err == nil {
		t.Error("the handover succeeded")
	}
	if o := giver.order(); o.Answer == nil || o.Answer.ID != 4 || o.Answer.Error != "" {
		t.Errorf("the replaced worker gets %+v", o)
	}
	fourth := st.worker()
	if g := taker.give(); g.Why != "plain" {
		t.Errorf("the next handover is %+v", g)
	}
	fourth.serve(4)
	taker.given(fourth)
	if a, _ := receive(t, plain, "answer"); a.err != nil || a.h.Taker != fourth.pid {
		t.Errorf("the answer is %+v, %v", a.h, a.err)
	}
}

// TestRefused has givers that keep their plugins. They serve on, the takers are ended, and the answer says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	giver := st.start()

	handing := st.handover(control.HandoverRequest{Why: "one"})
	taker := st.worker()
	giver.give()
	refusal := &sohost.Refusal{Plugin: "counter", Phase: "state"}
	giver.say(worker.Word{Given: &worker.Given{Error: "handover: no", Refusal: refusal}})
	a, _ := receive(t, handing, "answer")
	var f *control.Failure
	if !errors.As(a.err, &f) || f.Code != control.CodeRefused || f.Message != "handover: no" || f.Refusal == nil ||
		f.Refusal.Plugin != "counter" {
		t.Errorf("the answer is %v", a.err)
	}
	taker.gone()
	if s := st.status(); s.Worker.PID != giver.pid || s.Failed == nil || s.Failed.Why != "one" ||
		s.Failed.Error != "handover: no" || s.Handover != nil {
		t.Errorf("the status is %+v", s)
	}

	handing = st.handover(control.HandoverRequest{})
	taker = st.worker()
	giver.give()
	taker.exit(7) // of which the giver sees that it is gone
	taker.gone()
	giver.say(worker.Word{Given: &worker.Given{Error: "the taker has ended"}})
	if a, _ := receive(t, handing, "answer"); a.err == nil || a.err.Error() != "the taker has ended (why: exit status 7)" {
		t.Errorf("the answer is %v", a.err)
	}

	handing = st.handover(control.HandoverRequest{})
	taker = st.worker()
	giver.give()
	taker.serve(9)
	giver.given(taker)
	if a, _ := receive(t, handing, "answer"); a.err != nil {
		t.Errorf("the answer is %v", a.err)
	}
	if s := st.status(); s.Failed != nil || s.Worker.PID != taker.pid {
		t.Errorf("after a success the status is %+v", s)
	}
}

// TestTakerLives has a giver that keeps its plugins beside a taker that lives, or has ended well.
func TestTakerLives(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	giver.say(worker.Word{Given: &worker.Given{Error: "a state is too large"}})
	if a, _ := receive(t, handing, "answer"); a.err == nil || a.err.Error() != "a state is too large" {
		t.Errorf("the answer is %v", a.err)
	}
	taker.gone()
}

// TestGiverDies has givers that die during a handover. Who serves then depends on how far they got.
func TestGiverDies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(giver, taker *puppet)
		err  string // of the handover
	}{
		{"early", func(giver, taker *puppet) { giver.exit(1); giver.gone(); taker.exit(1) },
			"the old worker died before it could give its plugins away"},
		{"late", func(giver, taker *puppet) { giver.exit(1); giver.gone(); taker.serve(3) }, ""},
		{"last word", func(giver, taker *puppet) {
			taker.serve(3)
			code := 1
			giver.do(command{Say: &worker.Word{Given: &worker.Given{Handover: &sohost.Handover{Taker: taker.pid}}}, Exit: &code})
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, nil)
			giver := st.start()
			handing := st.handover(control.HandoverRequest{})
			taker := st.worker()
			giver.give()
			test.do(giver, taker)
			a, _ := receive(t, handing, "answer")
			if test.err != "" {
				if a.err == nil || !strings.Contains(a.err.Error(), test.err) {
					t.Errorf("the answer is %v", a.err)
				}
				next := st.worker()
				if start := next.began.Order.Start; start.Takes || len(start.Crashes) != 1 || start.Crashes[0].Ended.IsZero() {
					t.Errorf("the next worker is told %+v", start)
				}
				return
			}
			if a.err != nil || a.h.Taker != taker.pid || (a.h.Warning != "") != (test.name == "late") {
				t.Errorf("the answer is %+v, %v", a.h, a.err)
			}
			s := st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
			if s.Worker.PID != taker.pid || len(s.Crashes) > 0 {
				t.Errorf("the status is %+v", s)
			}
			st.log.await("old worker died after the handover; the requests it still had are lost pid=")
			if test.name == "late" && (a.h.Release != 3 || a.h.Time.IsZero()) {
				t.Errorf("the answer is %+v", a.h)
			}
		})
	}
}

// TestTakerSilent has a giver die beside a taker that neither serves nor ends.
func TestTakerSilent(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.grace = 10 * time.Millisecond })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	giver.exit(1)
	if a, _ := receive(t, handing, "answer"); a.err == nil {
		t.Error("the handover succeeded")
	}
	taker.gone()
	if start := st.worker().began.Order.Start; start.Takes {
		t.Errorf("the next worker is told %+v", start)
	}
}

// TestTimeout has handovers that take too long. They are aborted by the giver, which alone knows whether that is possible.
func TestTimeout(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(o *Options, l *limits) { o.HandoverTimeout, l.last = 10*time.Millisecond, 0 })
	giver := st.start()

	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	if !giver.order().Abort {
		t.Error("the giver is not told to abort")
	}
	giver.say(worker.Word{Given: &worker.Given{Error: "aborted"}})
	if a, _ := receive(t, handing, "answer"); a.err == nil || a.err.Error() != "aborted" {
		t.Errorf("the answer is %v", a.err)
	}
	taker.gone()

	handing = st.handover(control.HandoverRequest{})
	taker = st.worker()
	giver.give()
	giver.order()
	taker.serve(3)
	giver.given(taker) // too late to abort
	if a, _ := receive(t, handing, "answer"); a.err != nil || a.h.Taker != taker.pid {
		t.Errorf("the answer is %+v, %v", a.h, a.err)
	}
}

// TestAbortIgnored has givers that say nothing to an order to abort. A taker that serves has the plugins; any other is ended.
func TestAbortIgnored(t *testing.T) {
	t.Parallel()
	for _, serves := range []bool{false, true} {
		st := newStage(t, func(o *Options, l *limits) {
			o.HandoverTimeout, l.grace = 10*time.Millisecond, 5*time.Second // to say something, on a busy machine as well
		})
		giver := st.start()
		handing := st.handover(control.HandoverRequest{})
		taker := st.worker()
		giver.give()
		if serves {
			taker.serve(3)
			if a, _ := receive(t, handing, "answer"); a.err != nil || a.h.Taker != taker.pid {
				t.Errorf("the answer is %+v, %v", a.h, a.err)
			}
			continue
		}
		giver.order()
		taker.gone() // killed
		giver.say(worker.Word{Given: &worker.Given{Error: "the taker has ended"}})
		if a, _ := receive(t, handing, "answer"); a.err == nil || a.err.Error() != "the taker has ended (why: signal: killed, by another process, or by the kernel because memory ran out (see dmesg))" {
			t.Errorf("the answer is %v", a.err)
		}
		if s := st.status(); s.Worker.PID != giver.pid {
			t.Errorf("the status is %+v", s)
		}
	}
}

// TestHangInHandover has a giver that hangs during a handover.
func TestHangInHandover(t *testing.T) {
	t.Parallel()
	for _, hangs := range []string{"giver", "taker"} {
		t.Run(hangs, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, nil)
			giver := st.start()
			handing := st.handover(control.HandoverRequest{})
			taker := st.worker()
			giver.give()
			if hangs == "giver" {
				st.deafen(giver)
				giver.gone()
				taker.exit(1)
			} else {
				st.deafen(taker)
				taker.gone()
				giver.say(worker.Word{Given: &worker.Given{Error: "the taker has ended"}})
			}
			if a, _ := receive(t, handing, "answer"); a.err == nil {
				t.Error("the handover succeeded")
			}
			st.log.await("worker doesn't answer")
		})
	}
}

// TestStopInHandover stops the server during a handover, which is aborted. Whoever waits gets an answer.
func TestStopInHandover(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	first := make(chan error, 2)
	request := func(r control.HandoverRequest) {
		_, err := st.s.Handover(context.Background(), r)
		first <- err
	}
	go request(control.HandoverRequest{})
	st.worker()
	giver.give()
	go request(control.HandoverRequest{Images: map[string]string{"a": "/a"}})
	giver.say(worker.Word{Ask: &worker.Ask{ID: 1}})
	st.awaitRequests(3)
	st.stop()
	if !giver.order().Abort {
		t.Error("the giver is not told to abort")
	}
	giver.say(worker.Word{Given: &worker.Given{Error: "aborted"}})
	var answers []string
	for range 2 {
		err, _ := receive(t, first, "answer")
		answers = append(answers, err.Error())
	}
	if answers[0] != "aborted" && answers[1] != "aborted" || !strings.Contains(strings.Join(answers,
		" "), control.ErrStopping.Error()) {
		t.Errorf("the answers are %q", answers)
	}
	var finish, answered bool
	for range 2 {
		o := giver.order()
		finish = finish || o.Finish
		answered = answered || o.Answer != nil && o.Answer.Error == control.ErrStopping.Error()
	}
	if !finish || !answered {
		t.Errorf("the giver is told to finish: %v, and gets an answer: %v", finish, answered)
	}
	giver.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
}

// TestStopWhileDraining stops the server while an old worker finishes its requests. Both finish.
func TestStopWhileDraining(t *testing.T) {
	t.Parallel()
	st := newStage(t, nil)
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	taker.serve(2)
	giver.given(taker)
	receive(t, handing, "answer")
	st.stop()
	if !taker.order().Finish {
		t.Error("the worker is not told to finish")
	}
	taker.exit(0)
	if !giver.order().Finish {
		t.Error("the old worker is not told to finish")
	}
	select {
	case <-st.ended:
		t.Error("the server doesn't wait for the old worker")
	default:
	}
	giver.exit(0)
	if err := st.end(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
}

// TestDrainLimit has an old worker that doesn't end, and one that hangs.
func TestDrainLimit(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		st := newStage(t, func(o *Options, l *limits) {
			if !hangs {
				o.Start.ShutdownTimeout, l.grace = 10*time.Millisecond, 10*time.Millisecond
			}
		})
		giver := st.start()
		handing := st.handover(control.HandoverRequest{})
		taker := st.worker()
		giver.give()
		taker.serve(2)
		giver.given(taker)
		receive(t, handing, "answer")
		if hangs {
			st.deafen(giver)
		}
		giver.gone()
		st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
		if got := st.log.has("old worker doesn't end and is killed"); got == hangs {
			t.Errorf("one that hangs: %v, killed at its limit: %v", hangs, got)
		}
		if s := st.status(); s.Worker.PID != taker.pid {
			t.Errorf("the status is %+v", s)
		}
	}
}

// TestStatusInHandover asks for the status between a giver's commit and the moment in which the taker serves here. The taker's
// answer is waited for.
func TestStatusInHandover(t *testing.T) {
	st := newStage(t, nil)
	giver := st.start()
	handing := st.handover(control.HandoverRequest{})
	taker := st.worker()
	giver.give()
	body, _ := json.Marshal(&control.Failure{Code: control.CodeHandedOver})
	giver.do(command{Status: http.StatusMisdirectedRequest, Body: string(body)})
	for { // until the giver has the command
		resp, err := control.Ask(t.Context(), st.s.current, http.MethodGet, "/", nil)
		if errors.Is(err, sohost.ErrHandedOver) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	asking := make(chan control.Status, 1)
	go func() { asking <- st.s.Status(context.Background(), false) }()
	passing := make(chan error, 1)
	go func() {
		_, err := st.client.Releases(context.Background())
		passing <- err
	}()
	st.awaitGoroutines(1, "[select", `(*Supervisor).Status(`)
	st.awaitGoroutines(1, "[select", `(*Supervisor).Worker(`)
	taker.serve(6)
	giver.given(taker)
	receive(t, handing, "answer")
	s, _ := receive(t, asking, "status")
	if s.Release != 6 || s.Worker.PID != taker.pid || len(s.Draining) != 1 {
		t.Errorf("the status is %+v", s)
	}
	if err, _ := receive(t, passing, "answer"); err == nil { // the status is no list: it came from the taker
		t.Error("the releases came from nowhere")
	}
}

// TestProgram hands over to programs that aren't a sohost.
func TestProgram(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(_ *Options, l *limits) { l.last = 0 })
	giver := st.start()
	handing := st.handover(control.HandoverRequest{Program: "/nothing"})
	if a, _ := receive(t, handing, "answer"); a.err == nil || !strings.Contains(a.err.Error(), "program: open /nothing") {
		t.Errorf("a program that doesn't exist: %v", a.err)
	}
	if s := st.status(); s.Worker.PID != giver.pid || s.Failed == nil {
		t.Errorf("the status is %+v", s)
	}
	text, pipe := filepath.Join(st.dir, "text"), filepath.Join(st.dir, "pipe")
	ran := filepath.Join(st.dir, "ran")
	if err := errors.Join(executable.Write(text, []byte("#!/bin/sh\ntouch "+ran)), unix.Mkfifo(pipe, 0o755)); err != nil {
		t.Fatal(err)
	}
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text: text + " is no sohost, nor does it embed one: it was not built by the go command", "/bin/ls": "/bin/ls is no sohost",
		goCommand: "cmd/go is not built from " + library, pipe: pipe + ": want a regular file", st.dir: st.dir + ": want a regular file",
		"/dev/zero": "/dev/zero: want a regular file",
	} {
		handing := st.handover(control.HandoverRequest{Program: path})
		if a, _ := receive(t, handing, "answer"); a.err == nil || !strings.Contains(a.err.Error(), want) ||
			!strings.HasSuffix(a.err.Error(), "name a program with --binary that is a sohost") {
			t.Errorf("%s: %v", path, a.err)
		}
	}
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is no server has run: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openProgram(stopped, copyProgram(t, st.dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("a program is read when nobody waits for it: %v", err)
	}
	// Workers' own program can become one that can't be started. Then the supervisor's serves.
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st.s.confirmed = &program{path: "/nothing", file: f}
	giver.exit(1)
	st.worker().serve(2)
	st.log.await("can't start the worker's program; starting the supervisor's own")
}

// TestNoWorker kills the worker during a question, and before it has read an order. The next one answers both.
func TestNoWorker(t *testing.T) {
	st := newStage(t, nil)
	p := st.start()
	var asking sync.WaitGroup
	p.do(command{Signal: int(syscall.SIGSTOP)})
	for deadline := time.Now().Add(patience); !pidfd.Stopped(p.pid); time.Sleep(time.Millisecond) { // nothing tells of it
		if time.Now().After(deadline) {
			t.Fatal("the worker isn't stopped")
		}
	}
	connect := func() { // the stopped worker has connections to answer
		asking.Go(func() {
			if _, err := st.client.History(t.Context(), 1); err != nil {
				t.Errorf("a question: %v", err)
			}
		})
		asking.Go(func() {
			if _, err := st.client.Deploy(t.Context(), control.DeployRequest{}); err != nil {
				t.Errorf("a deploy: %v", err)
			}
		})
	}
	connect()
	st.awaitGoroutines(2, "[select", "control.ask(")
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	next := st.worker()
	next.do(command{Status: 200, Body: "null"})
	next.say(worker.Word{Serving: &worker.Serving{}})
	asking.Wait()
}
