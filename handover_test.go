package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/native"
	"golang.org/x/sys/unix"
)

// In these tests a handover goes from one host to another in the same process. Each has its own set of opened images,
// as two processes would.

// giverOptions returns options with a lock that both ends have.
func (w *world) giverOptions(plugins ...string) (Options, *generations.Lock) {
	w.t.Helper()
	if err := os.MkdirAll(w.store, 0o700); err != nil {
		w.t.Fatal(err)
	}
	lock, err := generations.AcquireLock(w.t.Context(), w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { lock.File().Close() })
	o := w.options(plugins...)
	o.Process = &Process{Lock: w.share(lock)}
	return o, lock
}

// share returns a copy of the lock, as another process would have it.
func (w *world) share(lock *generations.Lock) *generations.Lock {
	w.t.Helper()
	fd, err := unix.FcntlInt(lock.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	copied := os.NewFile(uintptr(fd), "lock")
	w.t.Cleanup(func() { copied.Close() })
	return generations.InheritLock(copied)
}

// handover gives everything that r has to a new host, and returns the results of both ends.
func (r *rig) handover(ctx context.Context, lock *generations.Lock, o GiveOptions) (*rig, *Handover, error, error) {
	r.w.t.Helper()
	mine, theirs, err := passing.Pair()
	if err != nil {
		r.w.t.Fatal(err)
	}
	type taken struct {
		h   *Host
		err error
	}
	took := make(chan taken, 1)
	go func() {
		opts := r.w.options()
		if c := o.Config; c != nil { // as a supervisor passes it on
			opts.Plugins, opts.Chains, opts.Disabled, opts.Dir = c.Plugins, c.Chains, c.Disabled, c.Dir
		} else if opts.Chains = r.opts.Chains; len(opts.Chains) > 0 {
			opts.Plugins = r.opts.Plugins
		}
		if r.w.backlog != nil {
			opts.Backlog = r.w.backlog()
		}
		opts.Process = &Process{Lock: r.w.share(lock)}
		h, err := takeHost(context.Background(), opts, theirs, r.w.loader())
		took <- taken{h, err}
	}()
	report, giveErr := r.Give(ctx, mine, o)
	t := <-took
	if t.err != nil {
		return nil, report, giveErr, t.err
	}
	r.w.t.Cleanup(func() {
		if err := t.h.Close(context.Background()); err != nil {
			r.w.t.Error(err)
		}
	})
	return &rig{t.h, r.w}, report, giveErr, nil
}

// giver returns a host that can give its plugins away.
func (w *world) giver(images ...string) (*rig, *generations.Lock) {
	w.t.Helper()
	var plugins []string
	for _, image := range images {
		w.file(image[:1], image)
		plugins = append(plugins, image[:1])
	}
	o, lock := w.giverOptions(plugins...)
	return w.host(o), lock
}

// TestHandover gives three plugins away: one with state, one without, and one that serves nothing.
func TestHandover(t *testing.T) {
	w := newWorld(t)
	w.fail("c1 New", fails)
	r, lock := w.giver("a1", "b1", "c1", "s1")
	r.wants("/a", "a1 1")
	r.wants("/s", "s1 1")
	r.Call(t.Context(), "a", func(i abi.Instance) error {
		i.(*stateful).host.Cache().Put("x", []byte("1"), 0)
		i.(*stateful).host.SharedCache().Put("y", []byte("2"), 0)
		return nil
	})
	w.done()
	var forwarded []string
	taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Why: "because", Forward: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { forwarded = append(forwarded, r.URL.Path) })})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	r.tasksIdle()
	all := w.done()
	steps := []string{
		"a1 open", "b1 open", "s1 open", "a1 Stop", "a1 Export", "b1 Stop", "b1 Export", "a1 Import 1", "a1 Start", "b1 Start", "s1 Start",
	}
	at := 0
	for _, step := range steps {
		i := strings.Index(all[at:], step)
		if i < 0 && step != "a1 Import 1" {
			t.Errorf("no %s after what came before it in %s", step, all)
		}
		if i > 0 {
			at += i
		}
	}
	if strings.Contains(all, "probe") {
		t.Errorf("images are probed in a process that is a throwaway itself: %s", all)
	}
	taker.wants("/a", "a1 2")
	taker.wants("/b", "b1 1")
	taker.wants("/s", "s1 1") // its count isn't state, so it starts over
	if s := taker.pluginStatus("c"); s.Refused == nil || s.Refused.Phase != PhaseNew || !s.Generation.IsZero() {
		t.Errorf("the status of c is %+v", s)
	}

	if report.Why != "because" || report.Giver != os.Getpid() || report.Taker != os.Getpid() || report.Release != 1 || report.Warning != "" ||
		len(report.Moves) != 2 || report.Moves[0].Plugin != "a" || report.Moves[0].State.Way != WayHandover || report.Waited != nil {
		t.Errorf("the report is %s", mustJSON(t, report))
	}
	for _, phase := range []time.Duration{report.Phases.Prepare, report.Phases.Drain, report.Phases.State, report.Phases.Commit, report.Phases.Publish} {
		if phase <= 0 {
			t.Errorf("the phases are %+v", report.Phases)
		}
	}
	taker.Call(t.Context(), "a", func(i abi.Instance) error {
		host := i.(*stateful).host
		if v, ok := host.Cache().Get("x"); !ok || string(v) != "1" {
			t.Error("the plugin's cache is lost")
		}
		if v, ok := host.SharedCache().Get("y"); !ok || string(v) != "2" {
			t.Error("the shared cache is lost")
		}
		return nil
	})
	eventually(t, "the state is a checkpoint", func() bool {
		_, err := os.Stat(filepath.Join(w.store, "state", "a.cbor"))
		return err == nil
	})

	// The giver serves nothing any more, and every call that would change something says so.
	r.get("/a")
	r.get("/none")
	if strings.Join(forwarded, " ") != "/a /none" {
		t.Errorf("forwarded are %v", forwarded)
	}
	_, deployErr := r.deploy("a2")
	_, rollbackErr := r.Rollback(t.Context(), RollbackOptions{})
	_, pruneErr := r.Prune(generations.PruneOptions{})
	_, liftErr := r.LiftQuarantine("00")
	_, giveErr := r.Give(t.Context(), pairEnd(t), GiveOptions{})
	for what, err := range map[string]error{
		"Serving": r.Serving(), "Deploy": deployErr, "Rollback": rollbackErr, "Prune": pruneErr, "LiftQuarantine": liftErr, "Give": giveErr,
		"Call": r.Call(t.Context(), "a", nil),
	} {
		if !errors.Is(err, ErrHandedOver) {
			t.Errorf("%s gives %v", what, err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if e := taker.history(generations.KindHandover); len(e) != 1 || e[0].Detail != "because" || e[0].Release != 1 {
		t.Errorf("the history has %+v", e)
	}
	taker.mustDeploy("a2") // and it works as any other host does
	taker.wants("/a", "a2 3")
}

// pairEnd returns one end of a socket pair whose other end nobody uses.
func pairEnd(t *testing.T) *os.File {
	a, b, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a
}

// TestHandoverFails fails at each step of the taker or the giver, and checks that the giver serves exactly as before.
func TestHandoverFails(t *testing.T) {
	tests := []struct {
		event string
		phase Phase // "" if no plugin is refused
		did   string
	}{
		{"b2 open", PhaseOpen, "a1 Close"},
		{"b2 New", PhaseNew, "a1 Close"},
		{"b2 Import 1", PhaseState, ""},
		{"b2 Start", PhaseStart, ""},
		{"b1 Export", "", ""},
		{"b1 Stop", "", ""},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			w := newWorld(t)
			r, lock := w.giver("a1", "b1")
			r.wants("/a", "a1 1")
			r.wants("/b", "b1 1")
			w.fail(test.event, fails)
			w.done()
			_, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"b": w.file("b", "b2")}})
			if err == nil || takeErr == nil || report != nil {
				t.Fatalf("Give gives %v, Take %v", err, takeErr)
			}
			var refused *Refusal
			if is := errors.As(err, &refused); is != (test.phase != "") || is && (refused.Phase != test.phase || refused.Plugin != "b" ||
				refused.Serves != w.imageID("b1")) {
				t.Errorf("Give gives %v", err)
			}
			if !strings.Contains(err.Error(), "fault") {
				t.Errorf("the reason is lost: %v", err)
			}
			if test.phase != "" && (!errors.As(takeErr, &refused) || refused.Phase != test.phase || !strings.Contains(takeErr.Error(), "plugin b")) {
				t.Errorf("Take gives %v", takeErr)
			}
			if got := w.done("Start", "Stop", "Close", "Export"); test.did != "" && got != test.did {
				t.Errorf("did %s", got)
			}
			r.wants("/a", "a1 2")
			r.wants("/b", "b1 2")
			if r.Serving() != nil || r.CurrentRelease() != 1 || r.onDisk() != "0 trials, 0 pins" {
				t.Errorf("%v, release %d, left behind %s", r.Serving(), r.CurrentRelease(), r.onDisk())
			}
			w.fail(test.event, nil)
			taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"b": ""}})
			if err != nil || takeErr != nil {
				t.Fatal(err, takeErr)
			}
			taker.wants("/b", "b2 3")
			taker.wants("/a", "a1 3")
		})
	}
}

// TestHandoverUndone checks that work which was stopped for a failed handover is started again, and only after the
// taker's has ended.
func TestHandoverUndone(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "b1")
	w.fail("b2 Start", fails)
	w.done()
	r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"b": w.file("b", "b2")}})
	got := w.done("Start", "Stop", "Close")
	for _, order := range [][2]string{{"b1 Stop", "b2 Start"}, {"b2 Start", "b2 Close"}, {"b2 Close", "b1 Start"}} {
		if !strings.Contains(got, order[0]) || strings.LastIndex(got, order[1]) < strings.Index(got, order[0]) {
			t.Errorf("%s doesn't come before %s in %s", order[0], order[1], got)
		}
	}
	if strings.LastIndex(got, "a1 Start") < strings.LastIndex(got, "a1 Close") {
		t.Errorf("the giver's work begins before the taker's has ended: %s", got)
	}
}

// TestHandoverImages changes images in a handover: the new release names them, and the reason.
func TestHandoverImages(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1", "s1")
	r.wants("/a", "a1 1")
	taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Why: "new ones", Images: map[string]string{"a": w.file("a", "a2")}})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	taker.wants("/a", "a2 2")
	if report.Release != 2 || len(report.Moves) != 1 || report.Moves[0].From != w.imageID("a1") || report.Moves[0].To != w.imageID("a2") {
		t.Errorf("the report is %s", mustJSON(t, report))
	}
	if c := taker.ledger.Current(); c.Cause != "new ones" || c.Plugins["a"].Image != w.imageID("a2") {
		t.Errorf("the release is %+v", c.Manifest)
	}
	if s := taker.pluginStatus("a"); s.Last == nil || s.Last.To != w.imageID("a2") {
		t.Errorf("the last move is %+v", s.Last)
	}
	if _, _, err, _ := taker.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"x": ""}}); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("an unknown plugin: %v", err)
	}
	_, _, err, _ = taker.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"a": filepath.Join(w.dir, "none")}})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Phase != PhaseStore {
		t.Errorf("no such file: %v", err)
	}
}

// TestHandoverDropsState goes to an image that takes no state. Without an order to lose it, that is refused before any gate is shut.
// With one the report and the new host's status say what was lost, as after a reload, and a rollback brings it back, also
// after another handover.
func TestHandoverDropsState(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	r.wants("/a", "a1 1")
	w.done()
	images := map[string]string{"a": w.file("s", "s1")}
	_, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Images: images})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Phase != PhaseState || !strings.Contains(refused.Message, "--lose-state") {
		t.Fatalf("it is not refused: %v", err)
	}
	if got := w.done("Stop", "Export"); got != "" {
		t.Errorf("the giver did %s", got)
	}
	r.wants("/a", "a1 2")
	taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: images, LoseState: true})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if len(report.Moves) != 1 || report.Moves[0].State.Way != WayDropped || !slices.Equal(report.Moves[0].State.Lost, []string{"everything"}) ||
		report.Moves[0].State.Unkept != "" || !w.logged("state dropped") {
		t.Errorf("the report is %s", mustJSON(t, report))
	}
	if s := taker.pluginStatus("a"); s.Last == nil || s.Last.State.Way != WayDropped {
		t.Errorf("the status is %s", mustJSON(t, s))
	}
	if report.Why != "handover" || report.Release != 2 { // which must not be empty: it marks images that are new
		t.Errorf("the report is %s", mustJSON(t, report))
	}
	taker.wants("/a", "s1 1")
	taker, _, err, takeErr = taker.handover(t.Context(), lock, GiveOptions{})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if s := taker.back(); s.Way != WayKept {
		t.Errorf("back: %+v", s)
	}
	taker.wants("/a", "a1 3")
}

// TestHandoverKeeps loses a field in a handover and gets it back after the next one; and keeps what a reload before a
// handover has lost.
func TestHandoverKeeps(t *testing.T) {
	for _, by := range []string{"handover", "reload"} {
		w := newWorld(t)
		r, lock := w.giver("m1")
		r.wants("/m", "m1 {1 map[/m:1]}")
		images := map[string]string{"m": w.file("m", "m2")}
		if by == "reload" {
			if _, err := r.Deploy(t.Context(), images); err != nil {
				t.Fatal(err)
			}
			images = nil
		}
		taker, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Images: images})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		if by == "handover" && !slices.Equal(report.Moves[0].State.Lost, []string{"state.Seen"}) {
			t.Errorf("the report is %s", mustJSON(t, report))
		}
		taker.wants("/m", "m2 {2 }")
		taker, _, err, takeErr = taker.handover(t.Context(), lock, GiveOptions{})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		if s := taker.back(); !slices.Equal(s.Restored, []string{"state.Seen"}) {
			t.Errorf("by %s: back: %+v", by, s)
		}
		taker.wants("/m", "m1 {3 map[/m:2]}")
	}
}

// TestHandoverEmpties goes to an image that keeps no field of the state: that is refused before any gate is shut.
func TestHandoverEmpties(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("m1")
	r.wants("/m", "m1 {1 map[/m:1]}")
	w.done()
	_, _, err, _ := r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"m": w.file("m", "m3")}})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Phase != PhaseState || !strings.Contains(refused.Message, "no field of state is left") {
		t.Errorf("it is not refused: %v", err)
	}
	if got := w.done("Stop", "Export"); got != "" {
		t.Errorf("the giver did %s", got)
	}
	r.wants("/m", "m1 {2 map[/m:2]}")
}

// TestHandoverNoForward has no handler to forward to: the giver answers 503 and doesn't panic.
func TestHandoverNoForward(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	if _, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{}); err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if code, _ := r.request("/a"); code != http.StatusServiceUnavailable {
		t.Errorf("answers %d", code)
	}
	if code, _ := r.request("/none"); code != http.StatusNotFound {
		t.Errorf("answers %d", code)
	}
}

// TestHandoverWaits makes callers wait for state. In the end they are forwarded, and counted.
func TestHandoverWaits(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	importing, goOn := make(chan struct{}), make(chan struct{})
	w.fail("a1 Start", func(context.Context) error { close(importing); <-goOn; return nil })
	var waited <-chan string
	go func() {
		<-importing
		waited = r.callThatWaits("/a")
		close(goOn)
	}()
	forward := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "forwarded") })
	_, report, err, takeErr := r.handover(t.Context(), lock, GiveOptions{Forward: forward})
	w.fail("a1 Start", nil)
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if got := <-waited; got != "forwarded" {
		t.Errorf("the call that waited got %q", got)
	}
	if report.Waited == nil || report.Waited.Calls < 1 || report.Waited.Max <= 0 {
		t.Errorf("the report is %s", mustJSON(t, report))
	}
}

// TestCloseInHandover begins to close the giver just before the commit: what waits is forwarded all the same.
func TestCloseInHandover(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	starting, goOn := make(chan struct{}), make(chan struct{})
	w.fail("a1 Start", func(context.Context) error { close(starting); <-goOn; return nil })
	forward := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "forwarded") })
	given := make(chan error, 1)
	go func() {
		_, _, err, takeErr := r.handover(context.Background(), lock, GiveOptions{Forward: forward})
		given <- errors.Join(err, takeErr)
	}()
	<-starting
	waited := r.callThatWaits("/a")
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	<-r.lifetime.Done()
	if r.Serving() != ErrClosed {
		t.Errorf("serving is %v", r.Serving())
	}
	close(goOn)
	if err := errors.Join(<-given, <-closed); err != nil {
		t.Fatal(err)
	}
	if got := <-waited; got != "forwarded" || r.Serving() != ErrHandedOver {
		t.Errorf("the call that waited got %q; serving is %v", got, r.Serving())
	}
	if err := r.Call(t.Context(), "a", nil); !errors.Is(err, ErrHandedOver) {
		t.Errorf("Call gives %v", err)
	}
}

// TestHandoverPeers checks what each end does if the other breaks the protocol.
func TestHandoverPeers(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	r.wants("/a", "a1 1")
	give := func(taker func(*passing.Conn)) error {
		t.Helper()
		mine, theirs, err := passing.Pair()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := passing.New(theirs)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer conn.Close()
			var m message
			conn.Receive(&m)
			taker(conn)
		}()
		_, err = r.Give(t.Context(), mine, GiveOptions{})
		<-ended
		return err
	}
	n := 1
	for _, test := range []struct {
		what  string
		taker func(*passing.Conn)
		want  error
	}{
		{"gone", func(*passing.Conn) {}, errTakerGone},
		{"out of order", func(c *passing.Conn) { c.Send(message{Accepted: true}) }, errOutOfOrder},
		{"failed", func(c *passing.Conn) { c.Send(message{Failed: &failed{Message: "no"}}) }, nil},
		{"prepared and gone", func(c *passing.Conn) { c.Send(message{Prepared: &prepared{Format: planFormat, PID: os.Getpid()}}) }, errTakerGone},
		{"of another version", func(c *passing.Conn) { c.Send(message{Prepared: &prepared{PID: os.Getpid()}}) }, errVersion},
		{"nobody's number", func(c *passing.Conn) { c.Send(message{Prepared: &prepared{Format: planFormat, PID: 1 << 30}}) }, errTakerGone},
		{"never accepts", func(c *passing.Conn) {
			c.Send(message{Prepared: &prepared{Format: planFormat, PID: os.Getpid()}})
			var m message
			for !m.States {
				m = message{}
				files, err := c.Receive(&m)
				passing.Close(files)
				if err != nil {
					return
				}
			}
			c.Send(message{Prepared: &prepared{}})
		}, errOutOfOrder},
	} {
		err := give(test.taker)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), "handover: ") {
			t.Errorf("%s: %v", test.what, err)
		}
		n++
		r.wants("/a", fmt.Sprintf("a1 %d", n))
	}

	take := func(opts Options, giver func(*passing.Conn)) error {
		t.Helper()
		mine, theirs, err := passing.Pair()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := passing.New(mine)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			giver(conn)
			conn.Close()
		}()
		_, err = takeHost(t.Context(), opts, theirs, w.loader())
		return err
	}
	withLock := func() Options {
		o := w.options()
		o.Process = &Process{Lock: w.share(lock)}
		return o
	}
	if err := take(w.options(), func(*passing.Conn) {}); err == nil || !strings.Contains(err.Error(), "Process.Lock") {
		t.Errorf("without a lock Take gives %v", err)
	}
	if err := take(withLock(), func(*passing.Conn) {}); !errors.Is(err, errGiverGone) {
		t.Errorf("from a giver that is gone: %v", err)
	}
	if err := take(withLock(), func(c *passing.Conn) { c.Send(message{Yours: true}) }); !errors.Is(err, errOutOfOrder) {
		t.Errorf("with no plan: %v", err)
	}
	// A plan of another form, understood in part, would end with plugins that serve nothing.
	if err := take(withLock(), func(c *passing.Conn) { c.Send(message{Plan: &plan{}}) }); !errors.Is(err, errVersion) {
		t.Errorf("with a plan of another form: %v", err)
	}
	sendPlan := func(c *passing.Conn) {
		c.Send(message{Plan: &plan{Format: planFormat}})
		c.Receive(new(message))
	}
	if err := take(withLock(), func(c *passing.Conn) { sendPlan(c); c.Send(message{Yours: true}) }); !errors.Is(err, errOutOfOrder) {
		t.Errorf("with something else than state: %v", err)
	}
	err := take(withLock(), func(c *passing.Conn) {
		sendPlan(c)
		c.Send(message{States: true})
		c.Receive(new(message))
		c.Send(message{States: true})
	})
	if !errors.Is(err, errOutOfOrder) {
		t.Errorf("with no commit: %v", err)
	}
}

// TestGiveEnds ends Give's context while it waits for a deploy, and while it waits for the taker.
func TestGiveEnds(t *testing.T) {
	w := newWorld(t)
	r, _ := w.giver("a1", "b1")
	p, _ := r.plugin("b")
	if err := p.own(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Give(ctx, pairEnd(t), GiveOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a deploy: %v", err)
	}
	p.disown()
	ctx, cancel = context.WithCancel(t.Context())
	given := make(chan error)
	mine, theirs, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	go func() { _, err := r.Give(ctx, mine, GiveOptions{}); given <- err }()
	conn, err := passing.New(theirs)
	if err != nil {
		t.Fatal(err)
	}
	conn.Receive(new(message)) // the plan
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the taker: %v", err)
	}
	r.mustDeploy("a2", "b2") // both are free again
}

// TestTakeEnds ends the taker before it has accepted.
func TestTakeEnds(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	mine, theirs, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.fail("a1 Start", func(context.Context) error { cancel(); return nil })
	taken := make(chan error)
	go func() {
		o := w.options()
		o.Process = &Process{Lock: w.share(lock)}
		_, err := takeHost(ctx, o, theirs, w.loader())
		taken <- err
	}()
	_, err = r.Give(t.Context(), mine, GiveOptions{})
	if err == nil {
		t.Error("given")
	}
	if err := <-taken; !errors.Is(err, context.Canceled) {
		t.Errorf("Take gives %v", err)
	}
	w.fail("a1 Start", nil)
	r.wants("/a", "a1 1")
}

// needsHandover is a rejection for a reason that holds only in this process.
func needsHandover(context.Context) error {
	return &native.Rejection{Reasons: []native.Reason{{Code: native.LoadedPackage, Subject: "p", NeedsNewProcess: true}}}
}

// TestReloadByHandover loads in the next process what this one can't load.
func TestReloadByHandover(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o, lock := w.giverOptions("a", "b")
	var r, taker *rig
	asked := make(chan string, 10)
	var refuse error
	o.Process.Handover = func(ctx context.Context, why string) error {
		asked <- why
		if refuse != nil {
			return refuse
		}
		var err, takeErr error
		taker, _, err, takeErr = r.handover(context.Background(), lock, GiveOptions{Why: why})
		return errors.Join(err, takeErr)
	}
	r = w.host(o)
	r.wants("/a", "a1 1")
	w.fail("a2 check", needsHandover)

	refuse = errors.New("not now")
	_, err := r.deploy("a2", "b2")
	refused := r.refusal(err, "a", PhaseHandover)
	if !errors.Is(err, refuse) || !strings.Contains(refused.Message, "it needs a new process, and there is none") ||
		!strings.Contains(refused.Message, "image is rejected") {
		t.Errorf("refused: %v", err)
	}
	if why := <-asked; !strings.HasPrefix(why, "deploy of a, b: image is rejected: loaded package: p") {
		t.Errorf("asked because of %q", why)
	}
	r.wants("/a", "a1 2")

	refuse = nil
	onlyHere := func(ctx context.Context) error { w.fail("a2 check", nil); return needsHandover(ctx) }
	w.fail("a2 check", onlyHere)
	w.fail("a2 New", fails) // in the taker
	_, err = r.deploy("a2", "b2")
	if r.refusal(err, "a", PhaseNew); !errors.Is(err, errFault) && !strings.Contains(err.Error(), "fault") ||
		strings.Count(err.Error(), "was refused at") != 1 {
		t.Errorf("refused: %v", err)
	}
	r.wants("/a", "a1 3")
	w.fail("a2 New", nil)

	w.fail("a2 check", onlyHere)
	result, err := r.deploy("a2", "b2")
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Moves) != 2 || result.Release != 2 || result.Moves[0].To != w.imageID("a2") || result.Moves[1].To != w.imageID("b2") ||
		result.Moves[0].State.Way != WayHandover {
		t.Errorf("the result is %s", mustJSON(t, result))
	}
	taker.wants("/a", "a2 4")
	taker.wants("/b", "b2 1")
	if c := taker.ledger.Current(); c.Cause != "deploy" || c.Number != 2 {
		t.Errorf("the release is %+v", c.Manifest)
	}
}

// TestReloadForgotten hands over when a reload waits for that whose plugin was forgotten meanwhile: the reload has failed, and all else goes on.
func TestReloadForgotten(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("a1")
	gone := &plugin{Plugin: Plugin{Name: "x"}, host: r.Host, forgotten: make(chan struct{})}
	close(gone.forgotten)
	waits := &pendingReload{candidates: []*candidate{{target: target{plugin: gone}}}}
	r.pending.add(waits)
	taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
	if err := errors.Join(err, takeErr); err != nil {
		t.Fatal(err)
	}
	taker.wants("/a", "a1 1")
	if done, err := r.pending.outcome(waits); done != nil || !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("the reload has %+v, %v", done, err)
	}
}

// TestNoHandover refuses an image that needs a handover if there is none.
func TestNoHandover(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a2 check", needsHandover)
	_, err := r.deploy("a2")
	refused := r.refusal(err, "a", PhaseCheck)
	if len(refused.Reasons) != 1 {
		t.Errorf("refused is %+v", refused)
	}
	if !strings.Contains(w.done("probe"), "a2 probe") {
		t.Error("what another process is to load isn't probed")
	}
}

// TestPanickingNew asks for a handover only if the panic comes from code that the plugin shares with the process, as a
// registry's does, and not for an ordinary mistake.
func TestPanickingNew(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o := w.options("a")
	asked := make(chan string, 1)
	o.Process = &Process{Handover: func(_ context.Context, why string) error { asked <- why; return errFault }}
	r := w.host(o)
	for _, mistake := range []func(context.Context) error{
		func(context.Context) error { i := len(w.dir); _ = w.dir[i]; return nil },
		func(context.Context) error { var p *count; p.N++; return nil },
		func(context.Context) error { http.HandlerFunc(nil).ServeHTTP(nil, nil); return nil },
	} {
		w.fail("a2 New", mistake)
		_, err := r.deploy("a2")
		r.refusal(err, "a", PhaseNew)
		select {
		case why := <-asked:
			t.Errorf("asked for a handover because of %q", why)
		default:
		}
	}
	w.fail("a2 New", func(context.Context) error {
		mux := http.NewServeMux()
		mux.HandleFunc("/x", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/x", func(http.ResponseWriter, *http.Request) {}) // panics, in net/http
		return nil
	})
	_, err := r.deploy("a2")
	r.refusal(err, "a", PhaseHandover)
	if why := <-asked; !strings.Contains(why, "conflicts with pattern") {
		t.Errorf("asked because of %q", why)
	}
}

// TestOpenFails asks for a handover, because the image did open in the probe, where nothing else was open.
func TestOpenFails(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o := w.options("a")
	asked := make(chan string, 1)
	o.Process = &Process{Handover: func(_ context.Context, why string) error { asked <- why; return errFault }}
	r := w.host(o)
	w.fail("a2 open", fails)
	_, err := r.deploy("a2")
	r.refusal(err, "a", PhaseHandover)
	if why := <-asked; why != "deploy of a: fault" {
		t.Errorf("asked because of %q", why)
	}
	w.fail("a3 probe", fails)
	_, err = r.deploy("a3")
	r.refusal(err, "a", PhaseProbe)
	if len(asked) > 0 {
		t.Error("asked for a handover though the probe says no")
	}
}

// TestHandedOverMeanwhile asks for a handover when another one has just taken the plugins away.
func TestHandedOverMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o := w.options("a")
	o.Process = &Process{Handover: func(context.Context, string) error { return nil }}
	r := w.host(o)
	w.fail("a2 check", needsHandover)
	if _, err := r.deploy("a2"); !errors.Is(err, ErrHandedOver) {
		t.Errorf("it says %v", err)
	}
}

func TestBrief(t *testing.T) {
	for text, want := range map[string]string{
		"a\n  b\tc":                            "a b c",
		strings.Repeat("x", maxBrief):          strings.Repeat("x", maxBrief),
		strings.Repeat("x", maxBrief-1) + "éé": strings.Repeat("x", maxBrief-1) + "…",
	} {
		if got := brief(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}
