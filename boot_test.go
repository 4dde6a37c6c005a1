package sohost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// TestBootRelease boots what the current release says, whatever the files have become. All images are probed together.
func TestBootRelease(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	if r.CurrentRelease() != 1 || r.ledger.Current().Cause != "boot" || len(r.history(generations.KindBoot)) != 2 {
		t.Errorf("the first boot published %+v", r.ledger.Current().Manifest)
	}
	if got, want := w.done("probe", "open"), "a1+b1 probe, a1 open, b1 open"; got != want { // files are probed together as well
		t.Errorf("the first boot did %s, want %s", got, want)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.done()
	r = w.boots("a2", "b2")
	if got, want := w.done(), "a1+b1 probe, a1 check, a1 open, a1 New, a1 Import 0, a1 Start, b1 check, b1 open, b1 New, b1 Import 0, b1 Start"; got != want {
		t.Errorf("did %s\nwant %s", got, want)
	}
	r.wants("/a", "a1 1")
	if r.CurrentRelease() != 1 || r.onDisk() != "0 trials, 0 pins" {
		t.Errorf("release %d, left behind %s", r.CurrentRelease(), r.onDisk())
	}
	if e := r.ledger.Entries()["a"]; !e.Skipped.IsZero() {
		t.Errorf("skipped is %s", e.Skipped.Short())
	}
	r.Close(t.Context())

	// If the images can't be probed together, each is probed alone.
	w.fail("a1+b1 probe", fails)
	w.fail("b1 probe", fails)
	w.done()
	r = w.host(w.options("a", "b"))
	if got, want := w.done("probe", "open"), "a1+b1 probe, a1 probe, a1 open, b1 probe, b2 probe, b2 open"; got != want {
		t.Errorf("did %s\nwant %s", got, want)
	}
	r.wants("/a", "a1 2")
	r.wants("/b", "b2 1") // its file's image, because the release's can't be used
	if !w.logged("trying the image file") || r.CurrentRelease() != 2 {
		t.Errorf("release %d", r.CurrentRelease())
	}
}

// TestBootDamaged loses an image from the store: the plugin's file is booted instead.
func TestBootDamaged(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	object, err := r.store.Object(w.imageID("a1"))
	if err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	if err := os.Chmod(object.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(object.Path, []byte("xx"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = w.boots("a2")
	r.wants("/a", "a2 1")
}

// TestFallsBack boots the confirmed image instead of one that has ended a process, and says why.
func TestFallsBack(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	r.confirm()
	r.mustDeploy("a2")
	r.Close(t.Context())
	o := w.options("a", "b")
	a2 := w.imageID("a2")
	o.Process = &Process{Crashes: []Crash{exited(0, "a", a2)}, CrashesInARow: 1}
	r = w.host(o)
	r.wants("/a", "a1 1")
	s := r.pluginStatus("a")
	if s.Refused == nil || s.Refused.Image != a2 || !errors.Is(s.Refused, ErrQuarantined) || !strings.Contains(s.Refused.Message, "exit status 3") {
		t.Errorf("refused is %+v", s.Refused)
	}
	if e := r.ledger.Current().Plugins["a"]; e.Image != w.imageID("a1") || e.Skipped != a2 {
		t.Errorf("the release has %+v", e)
	}
	if q, err := r.Quarantines(); err != nil || len(q) != 1 || q[0].Detail != "words" {
		t.Errorf("in quarantine are %+v, %v", q, err)
	}
	// With both in quarantine the file is tried, which has a2. Status then says why a1 was not taken.
	if err := r.store.Quarantine(generations.Quarantine{Image: w.imageID("a1"), Reason: "too"}); err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	r = w.host(w.options("a", "b"))
	if s := r.pluginStatus("a"); s.Refused == nil || !errors.Is(s.Refused, ErrQuarantined) || !s.Generation.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	r.wants("/b", "b1 1")
	if code, text := r.request("/a"); code != 503 || !strings.Contains(text, "plugin a is out of service: it has failed, and is tried again in ") {
		t.Errorf("answers %d %s", code, text)
	}
}

// TestFitsNotThisProgram boots after a program in probation whose images don't fit this one: a plugin goes back to the newest image
// that does, and nobody is blamed for the crash.
func TestFitsNotThisProgram(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	r.confirm()
	r.mustDeploy("a2")
	r.mustDeploy("a3")
	r.mustDeploy("b2")
	r.Close(t.Context())
	for _, image := range []string{"a1", "a3"} {
		w.fail(image+" check", func(context.Context) error {
			return &native.Rejection{Reasons: []native.Reason{{Code: native.WrongToolchain}}}
		})
	}
	o := w.options("a", "b")
	o.Process = &Process{Crashes: []Crash{{Ended: time.Now(), Exit: "exit status 3", Program: "/new"}}}
	r = w.host(o)
	r.wants("/a", "a2 1")
	r.wants("/b", "b2 1")
	if q, err := r.Quarantines(); err != nil || len(q) != 0 {
		t.Errorf("in quarantine are %+v, %v", q, err)
	}
	if s := r.pluginStatus("a"); s.Refused == nil || s.Refused.Image != w.imageID("a3") || len(s.Refused.Reasons) != 1 {
		t.Errorf("refused is %+v", s.Refused)
	}
	events, err := r.History(20)
	if err != nil || !slices.ContainsFunc(events, func(e generations.Event) bool {
		return e.Kind == generations.KindCrash && e.From.IsZero() && strings.Contains(e.Detail, "exit status 3; the program /new was in probation")
	}) {
		t.Errorf("the history is %+v, %v", events, err)
	}
}

// TestTrialBeforeProbe looks at the disk while an image is probed: its trial is there already, and gone after a refusal. The images
// of a release are rehearsed without one, so not where they could reach the process, nor after a crash.
func TestTrialBeforeProbe(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	var during string
	w.fail("a2 probe", func(context.Context) error { during = r.onDisk(); return errFault })
	if _, err := r.deploy("a2"); err == nil || during != "1 trials, 1 pins" || r.onDisk() != "0 trials, 0 pins" {
		t.Errorf("%v; during the probe there were %s, then %s", err, during, r.onDisk())
	}
	r.Close(t.Context())
	for _, test := range []struct {
		name   string
		crash  bool
		probe  func(context.Context) error
		probes string
	}{
		{"as usual", false, nil, "a1+b1 probe"},
		{"within reach", false, fails, "a1+b1 probe, a1 probe, b1 probe"},
		{"after a crash", true, nil, "a1 probe, b1 probe"},
	} {
		w.fail("a1+b1 probe", test.probe)
		o := w.options("a", "b")
		if test.crash {
			o.Process = &Process{CrashesInARow: 1}
		}
		w.done()
		r := w.host(o)
		if got := w.done("probe"); got != test.probes {
			t.Errorf("%s: did %s, want %s", test.name, got, test.probes)
		}
		r.Close(t.Context())
	}
}

// TestTrialAtBoot boots after processes that ended while they were trying an image. Under a supervisor that doesn't know which
// images were in calls, that is no proof until it repeats.
func TestTrialAtBoot(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.confirm()
	r.trials.Begin((&candidate{target: target{plugin: r.plugins()[0]}, move: Move{To: w.imageID("a2")}}).suspect(), blame.InProcess)
	r.Close(t.Context())
	o := w.options("a")
	now := time.Now()
	o.Process = &Process{Crashes: []Crash{{Ended: now, Exit: "exit status 3"}, {Ended: now.Add(1), Why: "it hung"}}, CrashesInARow: 1}
	r = w.host(o)
	if q, err := r.Quarantines(); err != nil || len(q) != 1 || q[0].Image != w.imageID("a2") || !strings.Contains(q[0].Reason, "it hung") {
		t.Errorf("in quarantine are %+v, %v", q, err)
	}
	r.wants("/a", "a1 1")
}

// TestLeftOut leaves out the plugin that may be why processes keep crashing, until it is deployed.
func TestLeftOut(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	r.confirm()
	r.Close(t.Context())
	o := w.options("a", "b")
	o.Process = &Process{CrashesInARow: 3}
	for i := range 3 {
		o.Process.Crashes = append(o.Process.Crashes, Crash{Ended: time.Now().Add(time.Duration(i) * time.Millisecond), Exit: "exit status 3"})
	}
	w.done()
	r = w.host(o)
	// All plugins have served since the first release, so the first by name is left out.
	if got := w.done("probe", "New"); got != "b1 probe, b1 New" {
		t.Errorf("did %s", got)
	}
	s := r.pluginStatus("a")
	if !errors.Is(s.Refused, ErrLeftOut) || s.Refused.Phase != PhaseCheck || s.Refused.Image != w.imageID("a1") ||
		!strings.Contains(s.Refused.Message, "left out after 3 crashes in a row, as it may be the reason; it is tried again at ") ||
		!strings.Contains(s.Refused.Message, ", or at once by `sohost deploy a`") || time.Until(s.Refused.Retry) > time.Minute {
		t.Errorf("refused is %+v", s.Refused)
	}
	r.confirm()
	if c, err := r.store.Confirmed(); err != nil || c.Number != 1 {
		t.Errorf("confirmed is %d, %v", c.Number, err)
	}
	due := *s.Refused
	due.Retry = time.Now()
	r.plugins()[0].setRefusal(&due)
	r.forgiven.up()
	eventually(t, "it is tried again", func() bool { return r.pluginStatus("a").Generation == w.imageID("a1") })
	r.wants("/a", "a1 1")
}

// TestConfirm confirms a release after its probation, unless a plugin doesn't serve what it names.
func TestConfirm(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o := w.options("a")
	o.Probation = time.Millisecond
	r := w.host(o)
	confirmed := func(n int) {
		t.Helper()
		eventually(t, "the release is confirmed", func() bool { return r.StatusBrief().Confirmed == n })
		eventually(t, "the history knows", func() bool {
			e := r.history(generations.KindConfirm)
			return len(e) > 0 && e[len(e)-1].Release == n
		})
	}
	confirmed(1)
	r.mustDeploy("a2")
	confirmed(2)

	slow := newWorld(t)
	h := slow.boots("a1")
	if _, err := h.store.Confirmed(); !errors.Is(err, generations.ErrNoRelease) {
		t.Errorf("confirmed at once: %v", err)
	}
	h.plugins()[0].slot.Swap(nil)
	h.confirm()
	if _, err := h.store.Confirmed(); !errors.Is(err, generations.ErrNoRelease) {
		t.Errorf("confirmed with a plugin that doesn't serve: %v", err)
	}
	slow2 := newWorld(t)
	h2 := slow2.boots("a1")
	h2.store.Close()
	h2.confirm()
	if !slow2.logged("confirm release") {
		t.Error("that it can't be confirmed isn't logged")
	}
	if err := h2.Close(t.Context()); !errors.Is(err, generations.ErrStoreClosed) {
		t.Errorf("the end of a host without its store: %v", err)
	}
}

// TestClose checks that Close writes checkpoints, with which the next host continues, and closes every instance.
func TestClose(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "s1")
	r.wants("/a", "a1 1")
	r.wants("/s", "s1 1")
	w.done()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := strings.Split(w.done(), ", ")
	for image, want := range map[string]string{"a1": "a1 Stop, a1 Export, a1 Close", "s1": "s1 Stop, s1 Close"} { // plugins end side by side
		got := slices.DeleteFunc(slices.Clone(all), func(e string) bool { return !strings.HasPrefix(e, image) })
		if strings.Join(got, ", ") != want {
			t.Errorf("did %s, want %s", all, want)
		}
	}
	if r.Serving() != ErrClosed {
		t.Errorf("serving is %v", r.Serving())
	}
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("a second Close gives %v", err)
	}
	r.wants("/a", "503 plugin a is out of service: the server is stopping")
	if _, err := r.deploy("a2"); !errors.Is(err, ErrClosed) {
		t.Errorf("deploy gives %v", err)
	}
	if _, err := r.Prune(generations.PruneOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("prune gives %v", err)
	}
	if _, err := r.LiftQuarantine("00"); !errors.Is(err, ErrClosed) {
		t.Errorf("lift gives %v", err)
	}
	r = w.host(w.options("a", "s"))
	r.wants("/a", "a1 2")
	r.wants("/s", "s1 1")
}

// TestCloseBusy closes a host with a call that doesn't return: its instance stays open and gets no checkpoint,
// everything else is closed.
func TestCloseBusy(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	h, err := newHost(t.Context(), w.options("a", "b"), w.loader())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{h, w}
	inside, release := make(chan struct{}), make(chan struct{})
	w.fail("a1 a/slow", func(context.Context) error { close(inside); <-release; return nil })
	slow := make(chan string)
	go func() { slow <- r.get("/a/slow") }()
	<-inside
	w.done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = r.Close(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "plugin a") || strings.Contains(err.Error(), "plugin b") {
		t.Errorf("Close gives %v", err)
	}
	if got := w.done("Export", "Close"); got != "b1 Export, b1 Close" {
		t.Errorf("did %s", got)
	}
	close(release)
	<-slow
}

// TestCloseFails closes an instance even though its Export fails.
func TestCloseFails(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	h, err := newHost(t.Context(), w.options("a"), w.loader())
	if err != nil {
		t.Fatal(err)
	}
	w.fail("a1 Export", fails)
	w.done()
	err = h.Close(t.Context())
	if !errors.Is(err, errFault) || !strings.Contains(err.Error(), "plugin a: checkpoint") {
		t.Errorf("Close gives %v", err)
	}
	if got := w.done("Close"); got != "a1 Close" {
		t.Errorf("did %s", got)
	}
	if _, err := generations.OpenStore(w.store, generations.StoreOptions{}); err != nil {
		t.Errorf("the store isn't free: %v", err)
	}
}

// TestCheckpoints takes a checkpoint at each interval, except of state that can't be checkpointed.
func TestCheckpoints(t *testing.T) {
	w := newWorld(t)
	for _, image := range []string{"a1", "x1", "s1", "e1"} {
		w.file(image[:1], image)
	}
	o := w.options("a", "x", "s", "e")
	o.CheckpointInterval = time.Millisecond
	r := w.host(o)
	r.wants("/a", "a1 1")
	eventually(t, "there are checkpoints", func() bool {
		_, a := os.Stat(filepath.Join(w.store, "state", "a.cbor.1"))
		_, e := os.Stat(filepath.Join(w.store, "state", "e.cbor.1"))
		return a == nil && e == nil
	})
	got := w.done("Stop", "Export", "Start")
	if !strings.Contains(got, "a1 Stop, a1 Export, a1 Start") || strings.Contains(got, "x1 Export") || strings.Contains(got, "e1 Stop") {
		t.Errorf("did %s", got)
	}
	if s := r.pluginStatus("x"); !strings.Contains(s.Uncheckpointed, "names no type") || r.pluginStatus("a").Uncheckpointed != "" {
		t.Errorf("uncheckpointed: %q", s.Uncheckpointed)
	}
	if s := r.pluginStatus("x").Last; s == nil || !strings.Contains(s.State.Uncheckpointed, "names no type") {
		t.Errorf("the last reload is %+v", s)
	}
	if !w.logged("state has no checkpoints") {
		t.Error("that x has no checkpoints isn't logged")
	}
	w.fail("a1 Export", fails)
	eventually(t, "the failure is logged", func() bool { return w.logged("checkpoint: the one before stays") })
	r.wants("/a", "a1 2")
	w.fail("a1 Export", nil)
}

// TestNoCheckpoints neither writes checkpoints nor reads any.
func TestNoCheckpoints(t *testing.T) {
	w := newWorld(t)
	w.boots("a1").Close(t.Context())
	o := w.options("a")
	o.CheckpointInterval = -1
	w.done()
	r := w.host(o)
	r.Close(t.Context())
	if got := w.done("Import", "Export"); got != "" {
		t.Errorf("did %s", got)
	}
}

// TestRestoreBefore restores the checkpoint before the last, because the last is damaged.
func TestRestoreBefore(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.wants("/a", "a1 1")
	if err := r.plugins()[0].checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wants("/a", "a1 2")
	r.Close(t.Context())
	last := filepath.Join(w.store, "state", "a.cbor")
	if err := os.WriteFile(last, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = w.host(w.options("a"))
	r.wants("/a", "a1 2")
	if s := r.pluginStatus("a").Last.State; s.Way != WayCheckpoint || s.Age <= 0 || !w.logged("restored the checkpoint before the last") {
		t.Errorf("the state came by %+v", s)
	}
}

// TestRestoreRefused doesn't boot code that can't take the existing checkpoint.
func TestRestoreRefused(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a9")
	r.wants("/a", "a9 1")
	r.Close(t.Context())
	if err := os.RemoveAll(filepath.Join(w.store, "releases")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.store, "current")); err != nil {
		t.Fatal(err)
	}
	r = w.boots("a1")
	if refused := r.pluginStatus("a").Refused; refused == nil || refused.Phase != PhaseState || !strings.Contains(refused.Message, "begin with none") {
		t.Errorf("refused is %+v", refused)
	}
}

// TestDev loads plugins as their files appear and change.
func TestDev(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Dir = w.dir
	w.file("a", "a1")
	r := w.host(o)
	r.wants("/a", "a1 1")
	if s := r.pluginStatus("a"); s.Mode != Dev || s.Watch == nil || s.Watch.Mode == "" {
		t.Errorf("the status is %+v", s)
	}
	w.file("a", "a2")
	eventually(t, "a2 serves", func() bool { return strings.HasPrefix(r.get("/a"), "a2 ") })
	w.file("b", "b1")
	eventually(t, "b1 serves", func() bool { return strings.HasPrefix(r.get("/b"), "b1 ") })
	w.file(".c", "c1")
	w.file("b", "b2")
	eventually(t, "b2 serves", func() bool { return strings.HasPrefix(r.get("/b"), "b2 ") })
	if n := len(r.StatusBrief().Plugins); n != 2 {
		t.Errorf("there are %d plugins", n)
	}
	if e := r.history(generations.KindDeploy); len(e) == 0 || e[0].Detail != "image changed" {
		t.Errorf("the history has %+v", e)
	}
}

// TestBudget asks for a handover when old generations have exceeded a limit, and not again right after that failed.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	w.file("s", "s1")
	o := w.options("s")
	o.Budget = Budget{Generations: 1, Memory: -1}
	asked := make(chan string, 10)
	o.Process = &Process{Handover: func(_ context.Context, why string) error { asked <- why; return errFault }}
	r := w.host(o)
	r.mustDeploy("s2")
	r.tasksIdle()
	r.mustDeploy("s3")
	if why := <-asked; why != "2 old generations, the budget is 1" {
		t.Errorf("asked because of %q", why)
	}
	r.mustDeploy("s4")
	r.tasksIdle()
	eventually(t, "the refusal is logged", func() bool { return w.logged("a handover is due and could not be made") })
	select {
	case why := <-asked:
		t.Errorf("asked again because of %q", why)
	default:
	}
}

// TestBudgetAfterEnd has generations retire while the host ends: it asks for nothing any more.
func TestBudgetAfterEnd(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		w.file("s", "s1")
		o := w.options("s")
		o.Budget.Memory = 1
		w.costs.Resident = 2
		asking := make(chan struct{}, 1)
		o.Process = &Process{Handover: func(ctx context.Context, _ string) error {
			if ctx.Err() != nil {
				t.Error("asked after the end")
			}
			asking <- struct{}{}
			<-ctx.Done()
			return nil
		}}
		r := w.host(o)
		r.mustDeploy("s2")
		<-asking
		r.mustDeploy("s3") // retires while the host is asking
		r.tasksIdle()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestSpentBy(t *testing.T) {
	b := Budget{}.withDefaults()
	if b != (Budget{128, 256 << 20, 1000, 75}) {
		t.Errorf("the defaults are %+v", b)
	}
	for _, test := range []struct {
		left Leftovers
		want string
	}{
		{Leftovers{128, 256 << 20, 1000, 128}, ""},
		{Leftovers{129, 256 << 20, 1000, 129}, "129 old generations, the budget is 128"},
		{Leftovers{33, 256 << 20, 1000, 4 * 33}, "132 old generations, a full image counted as four, the budget is 128"},
		{Leftovers{0, 256<<20 + 1, 1000, 0}, "268435457 bytes of old generations' memory, the budget is 268435456"},
		{Leftovers{0, 0, 1001, 0}, "1001 goroutines of old generations, the budget is 1000"},
	} {
		if got := b.spentBy(test.left); got != test.want {
			t.Errorf("%+v: %q, want %q", test.left, got, test.want)
		}
	}
	if got := (Budget{-1, -1, -1, -1}).spentBy(Leftovers{99, 99, 99, 99}); got != "" {
		t.Errorf("without bounds: %q", got)
	}
	o := newWorld(t).options("a")
	o.Budget.Memory = 7
	w := newWorld(t).host(o)
	b.Memory = 7
	if got := w.Status().Budget; got != b {
		t.Errorf("status has the budget %+v, want %+v", got, b)
	}
	if got := leftoversOf(instance.Costs{Images: 1, Weight: 4, Resident: 2, Goroutines: 3}); got != (Leftovers{1, 2, 3, 4}) {
		t.Errorf("leftovers are %+v", got)
	}
}

// TestPoisoned asks for a handover because an image that failed to open has left its mark.
func TestPoisoned(t *testing.T) {
	w := newWorld(t)
	w.file("s", "s1")
	o := w.options("s")
	asked := make(chan string, 1)
	o.Process = &Process{Handover: func(_ context.Context, why string) error { asked <- why; return nil }}
	r := w.host(o)
	w.fail("- poisoned", fails)
	r.mustDeploy("s2")
	if why := <-asked; why != "fault" {
		t.Errorf("asked because of %q", why)
	}
}

// TestStatus compares Status, which measures, with StatusBrief, which doesn't.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	r.mustDeploy("s2")
	r.tasksIdle()
	w.mu.Lock()
	w.costs = instance.Costs{Resident: 5, Goroutines: 6}
	w.mu.Unlock()
	s, brief := r.Status(), r.StatusBrief()
	if s.Left != (Leftovers{1, 5, 6, 0}) || s.Generations != 2 || s.Plugins[0].Generations[0].Memory.Resident != 7 {
		t.Errorf("the status is %s", mustJSON(t, s))
	}
	if brief.Left != (Leftovers{}) || brief.Generations != 2 || brief.Plugins[0].Generations[0].Memory.Resident != 0 {
		t.Errorf("in brief it is %s", mustJSON(t, brief))
	}
	if s.PID != os.Getpid() || s.Release != 2 || !strings.HasSuffix(s.Store, "store") || s.Started.IsZero() || s.Plugins[0].Mode != Prod ||
		s.Plugins[0].Watch != nil {
		t.Errorf("the status is %s", mustJSON(t, s))
	}
}

// TestPluginHost checks the abi.Host that an instance is given.
func TestPluginHost(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o := w.options("a", "b")
	o.Plugins[0].Args, o.Plugins[0].Values = map[string]string{"k": "v"}, map[string]any{"n": []any{int64(1), "x"}}
	var emitted []abi.Table
	o.Emit = func(_ context.Context, plugin string, tables []abi.Table) error {
		if plugin != "a" {
			t.Errorf("emitted by %s", plugin)
		}
		emitted = tables
		return errFault
	}
	r := w.host(o)
	hostOf := func(name string) (h abi.Host) {
		t.Helper()
		if err := r.Call(t.Context(), name, func(i abi.Instance) error { h = i.(*stateful).host; return nil }); err != nil {
			t.Fatal(err)
		}
		return h
	}
	a, b := hostOf("a"), hostOf("b")
	if a.Plugin() != "a" || a.Generation() != w.imageID("a1").Short() || a.Logger() == nil {
		t.Errorf("the host is of %s %s", a.Plugin(), a.Generation())
	}
	if a.Args()["n"] != `[1,"x"]` || !reflect.DeepEqual(adapter.Config(a), map[string]any{"k": "v", "n": []any{1.0, "x"}}) {
		t.Errorf("the arguments are %v, typed %v", a.Args(), adapter.Config(a))
	}
	a.Args()["k"] = "changed"
	if a.Args()["k"] != "v" || b.Args() == nil {
		t.Error("arguments can be changed, or are nil")
	}
	if err := a.Emit(t.Context(), make([]abi.Table, 2)); err != errFault || len(emitted) != 2 {
		t.Errorf("Emit gives %v, %d tables came", err, len(emitted))
	}
	a.Cache().Put("x", []byte("1"), 0)
	a.SharedCache().Put("y", []byte("2"), 0)
	if _, ok := b.Cache().Get("x"); ok {
		t.Error("one plugin sees the other's cache")
	}
	if v, ok := b.SharedCache().Get("y"); !ok || string(v) != "2" {
		t.Error("the shared cache isn't shared")
	}
	if err := hostWithoutEmit(t).Emit(t.Context(), nil); err == nil {
		t.Error("with nowhere to put rows Emit succeeds")
	}
	if _, err := a.Query(t.Context(), abi.Query{}); err == nil {
		t.Error("with nothing to ask Query succeeds")
	}
}

// hostWithoutEmit returns the abi.Host of a plugin whose host has no Emit.
func hostWithoutEmit(t *testing.T) abi.Host {
	other := newWorld(t)
	r := other.boots("a1")
	var h abi.Host
	r.Call(t.Context(), "a", func(i abi.Instance) error { h = i.(*stateful).host; return nil })
	return h
}

// TestGateLimit checks that a caller may wait for longer than a gate can stay shut.
func TestGateLimit(t *testing.T) {
	o, err := Options{Store: "x", OpenTimeout: 3 * time.Second, DrainTimeout: 5 * time.Second}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	// A handover that fails at its last step: see gateLimit.
	longest := 5*time.Second + 5*time.Second + (5+3)*time.Second + 2*undoTimeout + 3*time.Second
	if got := o.gateLimit(); got <= longest || got > longest+2*time.Second {
		t.Errorf("the limit is %v, and a handover may take %v", got, longest)
	}
}

func TestOptionDefaults(t *testing.T) {
	o, err := Options{Store: "x", Plugins: []Plugin{{Name: "a", Image: "a.so", Routes: []string{"/b/"}}}}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if o.OpenTimeout != 10*time.Second || o.DrainTimeout != 10*time.Second || o.Settle != 50*time.Millisecond || o.Keep != 100 ||
		o.StateLimit != 1<<30 || o.CheckpointInterval != time.Minute || o.CacheBytes != 16<<20 || o.Probation != time.Minute ||
		o.Process == nil || o.Logger == nil {
		t.Errorf("the defaults are %+v", o)
	}
	if p := o.Plugins[0]; p.Mode != Prod || !filepath.IsAbs(p.Image) || len(p.Routes) != 1 || p.Routes[0] != "/b" {
		t.Errorf("the plugin is %+v", p)
	}
}
