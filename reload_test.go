package sohost

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// TestReloadSteps follows one reload, from the file to the end of the old generation.
func TestReloadSteps(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	if got, want := w.done(), "a1 check, a1 probe, a1 open, a1 New, a1 Start"; got != want {
		t.Errorf("the boot: %s, want %s", got, want)
	}
	r.wants("/a", "a1 1")
	r.wants("/a", "a1 2")
	w.done()
	result := r.mustDeploy("a2")
	eventually(t, "a1 is closed", func() bool { return len(r.pluginStatus("a").Generations) == 1 })
	r.tasksIdle()
	if got, want := w.done(), "a2 check, a2 probe, a2 open, a2 New, a1 Stop, a1 Export, a2 Import 2, a2 Start, a1 Close"; got != want {
		t.Errorf("the reload: %s, want %s", got, want)
	}
	r.wants("/a", "a2 3")

	a1, a2 := w.imageID("a1"), w.imageID("a2")
	if len(result.Moves) != 1 || result.Release != 2 || result.Warning != "" {
		t.Fatalf("the result is %+v", result)
	}
	m := result.Moves[0]
	if m.Plugin != "a" || m.From != a1 || m.To != a2 || m.Unchanged || m.State.Way != WayImport || m.State.Schema != "count" ||
		m.State.Version != 1 || m.State.Waited != nil || time.Since(m.Time) > time.Hour {
		t.Errorf("the move is %+v", m)
	}
	for _, phase := range reloadPhases {
		if m.Phases[phase] <= 0 {
			t.Errorf("the phases have nothing of %s: %v", phase, m.Phases)
		}
	}
	release, err := r.store.Current()
	entry := release.Plugins["a"]
	if err != nil || release.Number != 2 || release.Cause != "deploy" || entry.Image != a2 || entry.Version != "v2" ||
		entry.Source != filepath.Join(w.dir, "a.so") || !entry.Skipped.IsZero() {
		t.Errorf("the release on disk is %+v, %v", release.Manifest, err)
	}
	if r.CurrentRelease() != 2 {
		t.Errorf("the current release is %d", r.CurrentRelease())
	}
	e := r.history(generations.KindDeploy)
	if len(e) != 1 || e[0].From != a1 || e[0].To != a2 || e[0].Release != 2 || e[0].Phases["open"] <= 0 || e[0].Detail != "deploy" {
		t.Errorf("the history has %+v", e)
	}
	s := r.pluginStatus("a")
	if s.Generation != a2 || s.Version != "v2" || s.Last == nil || s.Last.To != a2 || s.Refused != nil || s.Since.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	if got := r.onDisk(); got != "0 trials, 0 pins" {
		t.Errorf("left behind: %s", got)
	}
	for _, text := range []string{"msg=reloaded plugin=a cause=deploy from=" + a1.Short() + " to=" + a2.Short(), "release=2 state=import", " move="} {
		if !w.logged(text) {
			t.Errorf("the log doesn't say %q", text)
		}
	}
}

// tasksIdle waits until no generation is retiring any more.
func (r *rig) tasksIdle() {
	r.w.t.Helper()
	eventually(r.w.t, "old generations retire", func() bool {
		return !slices.ContainsFunc(r.plugins(), func(p *plugin) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.old) > 0
		})
	})
}

// TestRefused fails at each step of a reload of two plugins, the second of which fails. It compares everything before
// and after: what serves, its state, its background work, the releases, and the files on disk.
func TestRefused(t *testing.T) {
	rejection := func(context.Context) error {
		return &native.Rejection{Reasons: []native.Reason{{Code: native.WrongToolchain, Subject: "b"}}}
	}
	panics := func(context.Context) error { panic("at the disco") }
	tests := []struct {
		event string
		how   func(context.Context) error
		phase Phase
		did   string // how far the reload came, and what it undid
	}{
		{"b2 check", fails, PhaseCheck, "a2 Close"},
		{"b2 check", rejection, PhaseCheck, "a2 Close"},
		{"b2 probe", fails, PhaseProbe, "a2 Close"},
		{"b2 open", fails, PhaseOpen, "a2 Close"},
		{"b2 New", fails, PhaseNew, "a2 Close"},
		{"b2 New", panics, PhaseNew, "a2 Close"},
		{"b1 Stop", fails, PhaseState, "a1 Stop, a1 Export, a2 Import 1, b1 Stop, a2 Close, b2 Close, a1 Start, b1 Start"},
		{"b1 Export", fails, PhaseState, "a1 Stop, a1 Export, a2 Import 1, b1 Stop, b1 Export, a2 Close, b2 Close, a1 Start, b1 Start"},
		{"b2 Import 1", fails, PhaseState,
			"a1 Stop, a1 Export, a2 Import 1, b1 Stop, b1 Export, b2 Import 1, a2 Close, b2 Close, a1 Start, b1 Start"},
		{"b2 Import 1", panics, PhaseState,
			"a1 Stop, a1 Export, a2 Import 1, b1 Stop, b1 Export, b2 Import 1, a2 Close, b2 Close, a1 Start, b1 Start"},
		{"b2 Start", fails, PhaseStart,
			"a1 Stop, a1 Export, a2 Import 1, b1 Stop, b1 Export, b2 Import 1, a2 Start, b2 Start, a2 Stop, a2 Close, b2 Close, a1 Start, b1 Start"},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			w := newWorld(t)
			r := w.boots("a1", "b1")
			r.wants("/a", "a1 1")
			r.wants("/b", "b1 1")
			w.fail(test.event, test.how)
			w.done()
			_, err := r.deploy("a2", "b2")
			refused := r.refusal(err, "b", test.phase)
			if refused.Image != w.imageID("b2") || refused.Serves != w.imageID("b1") || !strings.Contains(err.Error(), "serves on") {
				t.Errorf("refused is %+v", refused)
			}
			if _, rejected := refused.Err.(*native.Rejection); rejected != (len(refused.Reasons) == 1) {
				t.Errorf("the reasons are %v", refused.Reasons)
			}
			if got := w.done("Stop", "Start", "Export", "Import", "Close"); got != test.did {
				t.Errorf("did %s\nwant %s", got, test.did)
			}
			r.wants("/a", "a1 2")
			r.wants("/b", "b1 2")
			if r.CurrentRelease() != 1 || r.onDisk() != "0 trials, 0 pins" {
				t.Errorf("release %d, left behind: %s", r.CurrentRelease(), r.onDisk())
			}
			// A refused image stays only where the process has it open.
			if _, err := r.store.Object(refused.Image); (err == nil) != r.loader.IsOpen(r.store.Dir()+"/objects/"+refused.Image.String()+".so") {
				t.Errorf("the refused image in the store: %v", err)
			}
			if s := r.pluginStatus("a"); s.Refused != nil || len(s.Generations) != 1 {
				t.Errorf("the status of the other plugin is %+v", s)
			}
			if e := r.history(generations.KindRefuse); len(e) != 1 || !strings.HasPrefix(e[0].Detail, string(test.phase)+": ") || e[0].To != w.imageID("b2") {
				t.Errorf("the history has %+v", e)
			}
			w.fail(test.event, nil)
			r.mustDeploy("a2", "b2")
			r.wants("/a", "a2 3")
			r.wants("/b", "b2 3")
			if s := r.pluginStatus("b"); s.Refused != nil {
				t.Errorf("after a success refused is %+v", s.Refused)
			}
		})
	}
}

// TestRefusedFile deploys a file that can't be read as an image.
func TestRefusedFile(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	_, err := r.Deploy(t.Context(), map[string]string{"a": filepath.Join(w.dir, "none.so")})
	if refused := r.refusal(err, "a", PhaseStore); !refused.Image.IsZero() || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("refused is %+v", refused)
	}
	if _, err := r.Deploy(t.Context(), map[string]string{"b": ""}); !errors.Is(err, ErrUnknownPlugin) || !strings.Contains(err.Error(), "[a]") {
		t.Errorf("an unknown plugin: %v", err)
	}
	if result, err := r.Deploy(t.Context(), nil); err != nil || result.Release != 1 || len(result.Moves) != 0 {
		t.Errorf("nothing: %+v, %v", result, err)
	}
}

// TestUnchanged deploys what serves already.
func TestUnchanged(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	w.done()
	result := r.mustDeploy("a1", "b2")
	if m := result.Moves; len(m) != 2 || !m[0].Unchanged || m[0].To != m[0].From || m[1].Unchanged {
		t.Errorf("the moves are %+v", m)
	}
	if got := w.done("check", "open", "Start"); got != "b2 check, b2 open, b2 Start" {
		t.Errorf("did %s", got)
	}
	if s := r.pluginStatus("a"); s.Last == nil || s.Last.Unchanged {
		t.Errorf("the last reload is %+v", s.Last)
	}
	if result := r.mustDeploy("b2"); result.Release != 2 || r.onDisk() != "0 trials, 0 pins" {
		t.Errorf("release %d, %s", result.Release, r.onDisk())
	}
}

// TestReusedImage goes back to an image that this process has opened: it is neither judged nor opened again.
func TestReusedImage(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.mustDeploy("a2")
	w.done()
	r.mustDeploy("a1")
	if got := w.done("check", "probe", "open", "New"); got != "a1 New" {
		t.Errorf("did %s", got)
	}
}

// TestPublishFails fails to publish: the flip stays, and a warning says that a restart boots the release before.
func TestPublishFails(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	releases := filepath.Join(w.store, "releases")
	if err := os.Rename(releases, releases+".away"); err != nil {
		t.Fatal(err)
	}
	result, err := r.deploy("a2")
	if err != nil || result.Release != 1 || !strings.Contains(result.Warning, "a restart boots release 1") {
		t.Errorf("the result is %+v, %v", result, err)
	}
	r.wants("/a", "a2 1")
	if len(r.history(generations.KindDeploy)) != 0 {
		t.Error("the history has a release that isn't there")
	}
	if err := os.Rename(releases+".away", releases); err != nil {
		t.Fatal(err)
	}
	if result := r.mustDeploy("a3"); result.Release != 2 || result.Warning != "" {
		t.Errorf("the next result is %+v", result)
	}
}

// TestBusy holds a call in the old generation while a stateful reload waits for it. New calls wait too, and go on with
// the new generation. If the wait is too long, the reload is refused and everything goes on.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	o := w.options("a")
	o.DrainTimeout = 50 * time.Millisecond
	w.file("a", "a1")
	r := w.host(o)
	inside, release := make(chan struct{}), make(chan struct{})
	w.fail("a1 a/slow", func(context.Context) error { close(inside); <-release; return nil })
	slow := make(chan string)
	go func() { slow <- r.get("/a/slow") }()
	<-inside
	_, err := r.deploy("a2")
	refused := r.refusal(err, "a", PhaseDrain)
	if !errors.Is(err, ErrTooSlow) || !strings.Contains(refused.Message, "1 calls of plugin a in generation "+w.imageID("a1").Short()) {
		t.Errorf("refused: %v", err)
	}
	r.wants("/a", "a1 1")

	r.opts.DrainTimeout = time.Minute
	deployed := make(chan error)
	go func() { _, err := r.deploy("a2"); deployed <- err }()
	waited := r.callThatWaits("/a")
	close(release)
	if got := <-slow; !strings.HasPrefix(got, "a1 ") {
		t.Errorf("the slow call got %s", got)
	}
	if err := <-deployed; err != nil {
		t.Fatal(err)
	}
	if got := <-waited; !strings.HasPrefix(got, "a2 ") {
		t.Errorf("the call that waited got %s", got)
	}
	last := r.pluginStatus("a").Last
	if last.State.Waited == nil || last.State.Waited.Calls != 1 || last.State.Waited.Max <= 0 || last.Phases[PhaseDrain] <= 0 {
		t.Errorf("the last move is %s", mustJSON(t, last))
	}
}

// awaited is a context that reports when somebody waits for it to end.
type awaited struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (a *awaited) Done() <-chan struct{} {
	a.once.Do(func() { close(a.waits) })
	return a.Context.Done()
}

// callThatWaits makes calls until one waits at a gate, and returns the channel of that call's result.
func (r *rig) callThatWaits(path string) <-chan string {
	r.w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		ctx := &awaited{Context: r.w.t.Context(), waits: make(chan struct{})}
		got := make(chan string, 1)
		go func() {
			rec := httptest.NewRecorder()
			r.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", path, nil))
			got <- rec.Body.String()
		}()
		select {
		case <-ctx.waits:
			return got
		case <-got:
		}
	}
	r.w.t.Fatal("no gate is shut")
	return nil
}

// TestStateless reloads a plugin without state beside its calls: nobody waits, and the old generation ends with its
// last call.
func TestStateless(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	inside, release := make(chan struct{}), make(chan struct{})
	w.fail("s1 s/slow", func(context.Context) error { close(inside); <-release; return nil })
	slow := make(chan string)
	go func() { slow <- r.get("/s/slow") }()
	<-inside
	w.done()
	result := r.mustDeploy("s2")
	if m := result.Moves[0]; m.State.Way != WayNone || m.State.Waited != nil || m.Crossing != 1 {
		t.Errorf("the move is %+v", m)
	}
	if events, err := r.History(1); err != nil || events[0].Crossing != 1 {
		t.Errorf("the history has %+v, %v", events, err)
	}
	r.wants("/s", "s2 1")
	s := r.pluginStatus("s")
	if len(s.Generations) != 2 || s.Generations[0].State != GenerationServing || s.Generations[1].State != GenerationDraining ||
		s.Generations[1].Leases != 1 || s.Generations[1].ID != w.imageID("s1") {
		t.Errorf("the generations are %+v", s.Generations)
	}
	if got := w.done("Stop", "Close"); got != "" {
		t.Errorf("with a call running it did %s", got)
	}
	close(release)
	if got := <-slow; got != "s1 1" {
		t.Errorf("the slow call got %s", got)
	}
	r.tasksIdle()
	if got := w.done("Stop", "Close"); got != "s1 Stop, s1 Close" {
		t.Errorf("at the end it did %s", got)
	}
}

// TestConcurrentExport moves state without a gate: calls go on.
func TestConcurrentExport(t *testing.T) {
	w := newWorld(t)
	r := w.boots("e1")
	inside, release := make(chan struct{}), make(chan struct{})
	w.fail("e1 e/slow", func(context.Context) error { close(inside); <-release; return nil })
	slow := make(chan string)
	go func() { slow <- r.get("/e/slow") }()
	<-inside
	w.done()
	r.mustDeploy("e2") // would wait for the call
	if got := w.done("Stop", "Export", "Import", "Start"); got != "e1 Export, e2 Import 0, e2 Start" {
		t.Errorf("did %s", got)
	}
	close(release)
	<-slow
}

// TestStash goes from version 1 of the state to 2 and back, where the state from before is the only way back.
func TestStash(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.wants("/a", "a1 1")
	r.mustDeploy("a9")
	r.wants("/a", "a9 2")
	result, err := r.Rollback(t.Context(), RollbackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s := result.Moves[0].State; s.Way != WayKept || s.Age <= 0 || s.Version != 1 {
		t.Errorf("the state came by %+v", s)
	}
	r.wants("/a", "a1 2")
	r.mustDeploy("a9")
	_, err = r.deploy("a8") // also of version 1, but the stash is a1's
	r.refusal(err, "a", PhaseState)
	r.wants("/a", "a9 3")
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "b1")
	r.mustDeploy("a2")
	r.mustDeploy("b2")
	roll := func(o RollbackOptions) *Reload {
		t.Helper()
		result, err := r.Rollback(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if result := roll(RollbackOptions{}); result.Release != 4 || len(result.Moves) != 2 || !result.Moves[0].Unchanged || result.Moves[1].To != w.imageID("b1") {
		t.Errorf("the last one: %+v", result)
	}
	if c := r.ledger.Current(); c.RollbackOf != 2 || c.Cause != "rollback" || c.Plugins["b"].Skipped != w.imageID("b2") {
		t.Errorf("the release is %+v", c.Manifest)
	}
	if result := roll(RollbackOptions{Plugins: []string{"a"}}); len(result.Moves) != 1 || result.Moves[0].To != w.imageID("a1") {
		t.Errorf("a: %+v", result)
	}
	if result := roll(RollbackOptions{To: 3}); result.Moves[0].To != w.imageID("a2") || result.Moves[1].To != w.imageID("b2") {
		t.Errorf("to 3: %+v", result)
	}
	if e := r.history(generations.KindRollback); len(e) != 4 {
		t.Errorf("the history has %+v", e)
	}
	for _, test := range []struct {
		o    RollbackOptions
		want error
		text string
	}{
		{RollbackOptions{To: 77}, generations.ErrNoRelease, "sohost history"},
		{RollbackOptions{Plugins: []string{"x"}}, ErrUnknownPlugin, `"x"`},
	} {
		if _, err := r.Rollback(t.Context(), test.o); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%+v: %v", test.o, err)
		}
	}
	if _, err := newWorld(t).boots("a1").Rollback(t.Context(), RollbackOptions{}); !errors.Is(err, ErrNothingToRollBack) {
		t.Errorf("from the first release: %v", err)
	}
}

// TestRollbackOfSome goes back to a release that doesn't have one of the plugins.
func TestRollbackOfSome(t *testing.T) {
	w := newWorld(t)
	w.boots("a1").Close(t.Context())
	r := w.boots("a2", "b1") // a is as in the release
	r.mustDeploy("a2")
	if result, err := r.Rollback(t.Context(), RollbackOptions{To: 1}); err != nil || len(result.Moves) != 1 || result.Moves[0].To != w.imageID("a1") {
		t.Errorf("all: %+v, %v", result, err)
	}
	if _, err := r.Rollback(t.Context(), RollbackOptions{To: 1, Plugins: []string{"a", "b"}}); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("with b: %v", err)
	}
}

// TestRollbackAfterDeploy orders a rollback while a deploy runs: it goes back from what the deploy has made current,
// not from what served before.
func TestRollbackAfterDeploy(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.mustDeploy("a2")
	starting, goOn := make(chan struct{}), make(chan struct{})
	w.fail("a3 Start", func(context.Context) error { close(starting); <-goOn; return nil })
	deployed, rolled := make(chan error), make(chan error)
	go func() { _, err := r.deploy("a3"); deployed <- err }()
	<-starting
	var result *Reload
	ctx := &awaited{Context: context.Background(), waits: make(chan struct{})}
	go func() {
		var err error
		result, err = r.Rollback(ctx, RollbackOptions{})
		rolled <- err
	}()
	<-ctx.waits // for the deploy
	close(goOn)
	if err := errors.Join(<-deployed, <-rolled); err != nil {
		t.Fatal(err)
	}
	if m := result.Moves[0]; m.From != w.imageID("a3") || m.To != w.imageID("a2") {
		t.Errorf("rolled back from %s to %s", m.From.Short(), m.To.Short())
	}
}

// TestSkippedImage stays rolled back as long as the file has the image that was rolled back from.
func TestSkippedImage(t *testing.T) {
	w := newWorld(t)
	o := w.options("a")
	o.Plugins[0].Mode = Dev
	w.file("a", "a1")
	r := w.host(o)
	w.file("a", "a2")
	eventually(t, "a2 serves", func() bool { return r.get("/a") != "" && r.pluginStatus("a").Generation == w.imageID("a2") })
	if _, err := r.Rollback(t.Context(), RollbackOptions{}); err != nil {
		t.Fatal(err)
	}
	w.file("a", "a2")
	eventually(t, "the change is ignored", func() bool { return w.logged("ignored: a rollback or a deploy has replaced this image") })
	if id := r.pluginStatus("a").Generation; id != w.imageID("a1") {
		t.Errorf("serves %s", id.Short())
	}
	// A restart doesn't load it either.
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ignored := func() int { return strings.Count(w.logs(), "ignored: a rollback") } // one change may be two events
	before := ignored()
	r = w.host(o)
	eventually(t, "the change is ignored", func() bool { return ignored() > before })
	if id := r.pluginStatus("a").Generation; id != w.imageID("a1") {
		t.Errorf("after a restart serves %s", id.Short())
	}
	// A deploy does, and so does a further change.
	if _, err := r.Deploy(t.Context(), map[string]string{"a": ""}); err != nil || r.pluginStatus("a").Generation != w.imageID("a2") {
		t.Errorf("ordered: %v", err)
	}
	w.file("a", "a3")
	eventually(t, "a3 serves", func() bool { return r.pluginStatus("a").Generation == w.imageID("a3") })
}

func (w *world) logs() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// TestOtherFile deploys an image from another file. A change event alone of the plugin's own file, which still has the
// earlier image, doesn't undo that.
func TestOtherFile(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	w.file("other", "a2")
	if _, err := r.Deploy(t.Context(), map[string]string{"a": filepath.Join(w.dir, "other.so")}); err != nil {
		t.Fatal(err)
	}
	if e := r.ledger.Entries()["a"]; e.Skipped != w.imageID("a1") {
		t.Errorf("skipped is %s", e.Skipped.Short())
	}
}

// TestQuarantined refuses an image in quarantine and says how to lift that, then takes the image once it is lifted.
func TestQuarantined(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	a2 := w.imageID("a2")
	if err := r.store.Quarantine(generations.Quarantine{Image: a2, Reason: "it crashed"}); err != nil {
		t.Fatal(err)
	}
	_, err := r.deploy("a2")
	if r.refusal(err, "a", PhaseCheck); !errors.Is(err, ErrQuarantined) || !strings.Contains(err.Error(), "it crashed") {
		t.Errorf("refused: %v", err)
	}
	if s := r.StatusBrief(); len(s.Quarantine) != 1 || s.Quarantine[0].Image != a2 {
		t.Errorf("the status has %+v", s.Quarantine)
	}
	if all, err := r.Quarantines(); err != nil || len(all) != 1 {
		t.Errorf("in quarantine are %v, %v", all, err)
	}
	if _, err := r.LiftQuarantine("ffff"); !errors.Is(err, generations.ErrNotQuarantined) || !strings.Contains(err.Error(), "sohost quarantine") {
		t.Errorf("another: %v", err)
	}
	if q, err := r.LiftQuarantine(a2.Short()); err != nil || q.Reason != "it crashed" {
		t.Errorf("lifted %+v, %v", q, err)
	}
	if r.pluginStatus("a").Refused != nil {
		t.Error("the refusal is still there")
	}
	r.mustDeploy("a2")
	r.wants("/a", "a2 1")
}

// TestKnownRefusal sees the file change again and again with the same image, which the check refuses: that is reported
// once.
func TestKnownRefusal(t *testing.T) {
	w := newWorld(t)
	o := w.options("a")
	o.Plugins[0].Mode = Dev
	w.file("a", "a1")
	w.fail("a2 check", fails)
	r := w.host(o)
	for range 3 {
		w.file("a", "a2")
		p, _ := r.plugin("a")
		disown, err := r.own(t.Context(), []*plugin{p})
		if err != nil {
			t.Fatal(err)
		}
		disown()
		p.reloadChanged(false)
	}
	if all := r.history(generations.KindRefuse); len(all) != 1 {
		t.Errorf("it was refused %d times: %+v", len(all), all)
	}
	// A deploy checks it again.
	w.fail("a2 check", nil)
	r.mustDeploy("a2")
}

// TestMomentary ends the caller's context in the middle of a reload: no refusal is recorded, and nothing has changed.
func TestMomentary(t *testing.T) {
	for _, event := range []string{"a2 probe", "a2 open", "a2 New", "a1 Export", "a2 Import 1", "a2 Start"} {
		w := newWorld(t)
		r := w.boots("a1")
		r.wants("/a", "a1 1")
		ctx, cancel := context.WithCancel(t.Context())
		w.fail(event, func(ctx context.Context) error { cancel(); return nil })
		_, err := r.Deploy(ctx, map[string]string{"a": w.file("a", "a2")})
		if event == "a2 probe" || event == "a2 open" || event == "a2 New" {
			w.fail(event, nil) // these ignore the context; the step after them doesn't
		}
		if err == nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", event, err)
		}
		r.wants("/a", "a1 2")
		if s := r.pluginStatus("a"); s.Refused != nil || r.onDisk() != "0 trials, 0 pins" || len(r.history(generations.KindRefuse)) != 0 {
			t.Errorf("%s: left behind: %s, refused %+v", event, r.onDisk(), s.Refused)
		}
	}
}

// TestHangs gives up on plugin code that doesn't return, and closes an instance that comes too late.
func TestHangs(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.opts.OpenTimeout = 20 * time.Millisecond
	goOn := make(chan struct{})
	w.fail("a2 New", func(context.Context) error { <-goOn; return nil })
	_, err := r.deploy("a2")
	if r.refusal(err, "a", PhaseNew); !errors.Is(err, ErrTooSlow) || !strings.Contains(err.Error(), "New has not returned") {
		t.Errorf("refused: %v", err)
	}
	w.done()
	close(goOn)
	eventually(t, "the late instance is closed", func() bool { return w.logged("New returned too late") })
	if got := w.done("Close"); got != "a2 Close" {
		t.Errorf("did %s", got)
	}
	w.fail("a3 Start", hangs)
	_, err = r.deploy("a3")
	if r.refusal(err, "a", PhaseStart); !errors.Is(err, ErrTooSlow) {
		t.Errorf("refused: %v", err)
	}
	r.wants("/a", "a1 1")
}

// TestNothingHandled refuses an instance that nobody can call, and closes it.
func TestNothingHandled(t *testing.T) {
	w := newWorld(t)
	r := w.boots("n1")
	if refused := r.pluginStatus("n").Refused; refused == nil || !errors.Is(refused, ErrNoHandler) || refused.Phase != PhaseNew {
		t.Errorf("refused is %+v", refused)
	}
	if code, text := r.request("/n"); code != 503 || !strings.Contains(text, "plugin n is out of service: it can't be loaded") {
		t.Errorf("answers %d %s", code, text)
	}
}

// TestPanic checks that a panic cuts off the response and is logged with its generation, and that the plugin goes on
// serving.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a1 a/bad", func(context.Context) error { panic("at the disco") })
	func() {
		defer func() {
			if v := recover(); v == nil {
				t.Error("the response isn't cut off")
			}
		}()
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a/bad", nil))
	}()
	if !w.logged("panic in plugin") || !w.logged("at the disco") || !w.logged("generation="+w.imageID("a1").Short()) {
		t.Errorf("the log has %s", w.logs())
	}
	r.wants("/a", "a1 1")
	if n := r.pluginStatus("a").Generations[0].Leases; n != 0 {
		t.Errorf("%d leases are held", n)
	}
}

// TestGoexit logs that a handler has ended its goroutine, which nobody else notices.
func TestGoexit(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a1 a/bad", func(context.Context) error { runtime.Goexit(); return nil })
	server := httptest.NewServer(r)
	defer server.Close()
	if resp, err := http.Get(server.URL + "/a/bad"); err == nil {
		resp.Body.Close()
		t.Errorf("answers %s", resp.Status)
	}
	if !w.logged("ended its goroutine") || !w.logged("generation="+w.imageID("a1").Short()) {
		t.Errorf("the log has %s", w.logs())
	}
	r.wants("/a", "a1 1")
	if n := r.pluginStatus("a").Generations[0].Leases; n != 0 {
		t.Errorf("%d leases are held", n)
	}
}

func TestServe(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest("GET", "/a/deeper", nil))
	if got := rec.Header().Get(GenerationHeader); got != w.imageID("a1").Short() {
		t.Errorf("the generation is %q", got)
	}
	rec.Header().Add(GenerationHeader, "another") // responses share the value
	again := httptest.NewRecorder()
	r.ServeHTTP(again, httptest.NewRequest("GET", "/a/deeper", nil))
	again.Header().Add(GenerationHeader, "a third")
	for _, test := range []struct {
		rec  *httptest.ResponseRecorder
		want string
	}{{rec, "another"}, {again, "a third"}} {
		if got := test.rec.Header()[GenerationHeader]; !slices.Equal(got, []string{w.imageID("a1").Short(), test.want}) {
			t.Errorf("the generations are %q, want another and %q", got, test.want)
		}
	}
	if code, text := r.request("/none"); code != 404 || text != "no plugin has a route for /none" {
		t.Errorf("no route: %d %s", code, text)
	}
}

func TestCall(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	err := r.Call(t.Context(), "a", func(i abi.Instance) error {
		if s, ok := i.(*stateful); !ok || s.image != "a1" || r.pluginStatus("a").Generations[0].Leases != 1 {
			t.Errorf("lent is %v", i)
		}
		return errFault
	})
	if err != errFault {
		t.Errorf("the error of fn became %v", err)
	}
	var panicked *PanicError
	err = r.Call(t.Context(), "a", func(abi.Instance) error { panic(errFault) })
	if !errors.As(err, &panicked) || !errors.Is(err, errFault) || !strings.Contains(string(panicked.Stack), "TestCall") ||
		!strings.HasPrefix(err.Error(), "plugin a: ") {
		t.Errorf("a panic became %v", err)
	}
	if n := r.pluginStatus("a").Generations[0].Leases; n != 0 {
		t.Errorf("%d leases are held", n)
	}
	if err := r.Call(t.Context(), "b", nil); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("an unknown plugin: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Call(t.Context(), "a", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestGoneSinceItChanged removes an image's file between the change and the reload: that is no refusal. A deploy of it is.
func TestGoneSinceItChanged(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	p := r.plugins()[0]
	if err := os.Remove(p.Image); err != nil {
		t.Fatal(err)
	}
	if p.reloadChanged(false); p.refusal() != nil || w.logged("refused") {
		t.Errorf("refused: %v", p.refusal())
	}
	r.wants("/a", "a1 1")
	if _, err := r.Deploy(t.Context(), map[string]string{"a": ""}); !errors.Is(err, fs.ErrNotExist) || p.refusal() == nil {
		t.Errorf("a deploy: %v, refusal %v", err, p.refusal())
	}
}

// TestTooSlow lets each step of the plugin's code take too long: the refusal names the setting that allows more.
func TestTooSlow(t *testing.T) {
	ended := make(chan struct{})
	defer close(ended)
	for _, step := range []struct{ event, by string }{{"a2 New", openTimeout}, {"a2 Import 0", drainTimeout}, {"a2 Start", openTimeout}} {
		w := newWorld(t)
		r := w.boots("a1")
		if step.by == openTimeout {
			r.opts.OpenTimeout = 100 * time.Millisecond
		} else {
			r.opts.DrainTimeout = 100 * time.Millisecond
		}
		w.fail(step.event, func(context.Context) error { <-ended; return nil })
		_, err := r.deploy("a2")
		if !errors.Is(err, ErrTooSlow) || !strings.Contains(err.Error(), "over its time limit of 100ms ("+step.by+" allows more)") {
			t.Errorf("%s: %v", step.event, err)
		}
	}
}

// TestSettle: an image that the disk doesn't keep is refused before it is opened in this process. Check and probe don't wait for the disk.
func TestSettle(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	object, err := r.ledger.Add(t.Context(), w.file("a", "a2"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.plugin("a")
	if err != nil {
		t.Fatal(err)
	}
	w.done()
	failed := errors.New("the disk is gone")
	c := newCandidate(target{plugin: p, stored: object.ID})
	c.settled = sync.OnceValue(func() error {
		w.did(t.Context(), "a2 settled")
		return failed
	})
	var f *failure
	if err := c.prepare(t.Context()); !errors.Is(err, failed) || !errors.As(err, &f) || f.phase != PhaseStore || f.needsHandover {
		t.Errorf("the error is %v", err)
	}
	if got, want := w.done(), "a2 check, a2 probe, a2 settled"; got != want {
		t.Errorf("done: %s, want %s", got, want)
	}
	c = newCandidate(target{plugin: p, stored: object.ID})
	waited := false
	c.settled = func() error { waited = true; return nil }
	w.fail("a2 check", func(context.Context) error { return errors.New("no") })
	if err := c.prepare(t.Context()); err == nil || !waited {
		t.Errorf("refused by the check, it has not waited for the disk: %v", err)
	}
}
