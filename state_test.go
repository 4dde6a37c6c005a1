package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// The states of the images m1 to m5. Each request counts N up and puts the path into Seen, as far as they are there.
type (
	memory1 struct {
		N    int
		Seen map[string]int
	}
	memory2 struct { // Seen is lost
		N     int
		Other string
	}
	memory3 struct{ Total int } // all is lost
	memory4 struct {            // N has another name
		Count int `sohost:"was=N"`
		Seen  map[string]int
	}
	memory5 struct { // can't be written
		N    int
		Seen map[string]int
		Done chan struct{}
	}
)

var memories = map[byte]reflect.Type{
	'1': reflect.TypeFor[memory1](), '2': reflect.TypeFor[memory2](), '3': reflect.TypeFor[memory3](), '4': reflect.TypeFor[memory4](),
	'5': reflect.TypeFor[memory5](), '6': reflect.TypeFor[memory1](), // 6 exports another version than it says
}

// memory returns the plugin of an image m1 to m6, or m0, whose Import has a slip in its signature.
func (w *world) memory(image string) *abi.Descriptor {
	d := &abi.Descriptor{ABI: abi.Version}
	if image[1] == '0' {
		d.New = func(context.Context, abi.Host) (abi.Instance, error) { return &slipped{basic{w: w, image: image}}, nil }
		return d
	}
	t := memories[image[1]]
	d.State = abi.State{Schema: "memory", Version: 1, Value: reflect.Zero(reflect.PointerTo(t)).Interface()}
	of := d.State
	if image[1] == '6' {
		of.Version++
	}
	d.New = func(context.Context, abi.Host) (abi.Instance, error) {
		return &remembers{basic: basic{w: w, image: image}, of: of, value: reflect.New(t)}, nil
	}
	return d
}

// slipped isn't abi.Stateful, but almost.
type slipped struct{ basic }

func (s *slipped) Export(context.Context) (abi.State, error) { return abi.State{}, nil }
func (s *slipped) Import(context.Context, abi.State)         {}

// remembers is an instance with a state of any type.
type remembers struct {
	basic
	of    abi.State
	value reflect.Value
}

func (m *remembers) Export(ctx context.Context) (abi.State, error) {
	s := m.of
	s.Value = m.value.Interface()
	return s, m.w.did(ctx, "%s Export", m.image)
}

func (m *remembers) Adopt(value any) { m.value = reflect.ValueOf(value) }

func (m *remembers) Import(ctx context.Context, s abi.State) error {
	if reflect.TypeOf(s.Value) != m.value.Type() {
		return fmt.Errorf("have a %T", s.Value)
	}
	m.Adopt(s.Value)
	return m.w.did(ctx, "%s Import", m.image)
}

func (m *remembers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.value.Elem()
	for _, name := range []string{"N", "Count", "Total"} {
		if f := v.FieldByName(name); f.IsValid() {
			f.SetInt(f.Int() + 1)
		}
	}
	if f := v.FieldByName("Seen"); f.IsValid() {
		if f.IsNil() {
			f.Set(reflect.ValueOf(map[string]int{}))
		}
		f.Interface().(map[string]int)[r.URL.Path]++
	}
	fmt.Fprintf(w, "%s %v", m.image, v.Interface())
}

// deployAs deploys an image to a plugin whose letter it needn't have.
func (r *rig) deployAs(plugin, image string, o DeployOptions) (*Reload, error) {
	r.w.t.Helper()
	return r.DeployWith(r.w.t.Context(), map[string]string{plugin: r.w.file(plugin, image)}, o)
}

// mustMove returns the one state move of a reload that must succeed.
func (w *world) mustMove(result *Reload, err error) StateMove {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(result.Moves) != 1 || result.Warning != "" {
		w.t.Fatalf("the result is %+v", result)
	}
	return result.Moves[0].State
}

func (r *rig) back(plugins ...string) StateMove {
	r.w.t.Helper()
	return r.w.mustMove(r.Rollback(r.w.t.Context(), RollbackOptions{Plugins: plugins}))
}

// crashed returns a host on the store as it is now, as the next process finds it when this one is killed.
func (r *rig) crashed(plugins ...string) *rig {
	r.w.t.Helper()
	store := filepath.Join(r.w.t.TempDir(), "store")
	if err := os.CopyFS(store, os.DirFS(r.w.store)); err != nil {
		r.w.t.Fatal(err)
	}
	// CopyFS gives every file the time of now; which state is the newest goes by their times.
	err := filepath.WalkDir(filepath.Join(r.w.store, "state"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chtimes(filepath.Join(store, "state", d.Name()), info.ModTime(), info.ModTime())
	})
	if err != nil {
		r.w.t.Fatal(err)
	}
	r.w.store = store
	return r.w.host(r.w.options(plugins...))
}

// TestDropRefused deploys images that take no state, and such that keep no field of it: they are refused before a call
// has to wait, in dev mode too, and nothing has changed.
func TestDropRefused(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.wants("/m", "m1 {1 map[/m:1]}")
	for _, test := range []struct{ image, says string }{
		{"s1", "it would lose state, all of it: the new code is not abi.Stateful; "},
		{"m0", "its method Import is func(context.Context, abi.State) and should be func(context.Context, abi.State) error"},
		{"m3", "no field of state is left (removed: state.N, state.Seen; added: state.Total)"},
	} {
		w.done()
		_, err := r.deployAs("m", test.image, DeployOptions{})
		refused := r.refusal(err, "m", PhaseState)
		if !errors.Is(err, ErrLosesState) || !strings.Contains(refused.Message, test.says) || !strings.Contains(refused.Message, "--lose-state") {
			t.Errorf("%s: %v", test.image, err)
		}
		if got := w.done("Stop", "Export", "Start"); got != "" {
			t.Errorf("%s: it did %s", test.image, got)
		}
	}
	r.wants("/m", "m1 {2 map[/m:2]}")
	r.plugins()[0].setRefusal(nil)
	r.plugins()[0].reloadChanged(false) // m3, which is in its file
	if refused := r.pluginStatus("m").Refused; refused == nil || !errors.Is(refused, ErrLosesState) {
		t.Errorf("on a change: %v", refused)
	}
	r.wants("/m", "m1 {3 map[/m:3]}")
}

// TestDropped drops a state by order. A rollback brings it back: at once, in the next process after a kill, and after a
// restart; and so does another image that takes it.
func TestDropped(t *testing.T) {
	for _, how := range []string{"at once", "killed", "restarted", "forward"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			r := w.boots("a1")
			for range 10 {
				r.get("/a")
			}
			s := w.mustMove(r.deployAs("a", "s1", DeployOptions{LoseState: true}))
			if s.Way != WayDropped || !slices.Equal(s.Lost, []string{"everything"}) || s.Unkept != "" || !w.logged("state dropped") || !w.logged("lost=everything") {
				t.Errorf("the move is %+v", s)
			}
			r.wants("/a", "s1 1")
			if k := r.pluginStatus("a").Kept; len(k) != 1 || k[0].Image != w.imageID("a1") || k[0].Release != 2 || k[0].Bytes == 0 || k[0].MemoryOnly {
				t.Errorf("kept: %+v", k)
			}
			switch how {
			case "killed":
				r = r.crashed("a")
				r.wants("/a", "s1 1")
			case "restarted":
				r.Close(t.Context())
				r = w.host(w.options("a"))
			}
			if how == "forward" {
				if s := w.mustMove(r.deployAs("a", "a3", DeployOptions{})); s.Way != WayKept || s.Age < 0 {
					t.Errorf("forward: %+v", s)
				}
				r.wants("/a", "a3 11")
				return
			}
			if s := r.back(); s.Way != WayKept || s.Age <= 0 {
				t.Errorf("back: %+v", s)
			}
			r.wants("/a", "a1 11")
		})
	}
}

// TestDroppedUnkept drops a state that can't be had: the order holds, and the report says that it is gone.
func TestDroppedUnkept(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a1 Export", fails)
	if s := w.mustMove(r.deployAs("a", "s1", DeployOptions{LoseState: true})); s.Way != WayDropped || !strings.Contains(s.Unkept, "fault") {
		t.Errorf("the move is %+v", s)
	}
	r.wants("/a", "s1 1")
}

// TestLostAndRestored loses a field by a conversion and gets it back by a rollback, with what has changed since.
func TestLostAndRestored(t *testing.T) {
	for _, how := range []string{"at once", "killed", "killed after the rollback", "restarted"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			r := w.boots("m1")
			r.wants("/m", "m1 {1 map[/m:1]}")
			if s := w.mustMove(r.deployAs("m", "m2", DeployOptions{})); s.Way != WayConvert || !slices.Equal(s.Lost, []string{"state.Seen"}) {
				t.Errorf("the move is %+v", s)
			}
			r.wants("/m", "m2 {2 }")
			switch how {
			case "killed":
				r = r.crashed("m")
				r.wants("/m", "m2 {2 }") // its state is that of the flip, since there was no checkpoint
			case "restarted":
				r.Close(t.Context())
				r = w.host(w.options("m"))
			}
			s := r.back()
			if s.Way != WayConvert || !slices.Equal(s.Restored, []string{"state.Seen"}) || !slices.Equal(s.Lost, []string{"state.Other"}) {
				t.Errorf("back: %+v", s)
			}
			if how == "killed after the rollback" {
				r = r.crashed("m")
			}
			r.wants("/m", "m1 {3 map[/m:2]}")
			if k := r.pluginStatus("m").Kept; len(k) != 2 {
				t.Errorf("kept: %+v", k)
			}
		})
	}
}

// TestRestoredLater goes on for two releases that lose something, each something else, and then back over both at once.
func TestRestoredLater(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.wants("/m", "m1 {1 map[/m:1]}")
	w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
	w.mustMove(r.deployAs("m", "m3", DeployOptions{LoseState: true}))
	r.wants("/m", "m3 {1}")
	if s := w.mustMove(r.Rollback(t.Context(), RollbackOptions{To: 1})); !slices.Equal(s.Restored, []string{"state.N", "state.Seen"}) {
		t.Errorf("back: %+v", s)
	}
	r.wants("/m", "m1 {2 map[/m:2]}")
}

// TestRenamedBack goes to a type with another name for a field, and back.
func TestRenamedBack(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.get("/m")
	if s := w.mustMove(r.deployAs("m", "m4", DeployOptions{})); len(s.Lost) != 0 {
		t.Errorf("lost: %+v", s)
	}
	r.wants("/m", "m4 {2 map[/m:2]}")
	if s := r.back(); len(s.Lost) != 0 {
		t.Errorf("lost: %+v", s)
	}
	r.wants("/m", "m1 {3 map[/m:3]}")
}

// TestKeptUntilConfirmed removes what was kept when the release is confirmed, and not before.
func TestKeptUntilConfirmed(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.get("/m")
	w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
	files := func() int {
		found, err := filepath.Glob(filepath.Join(w.store, "state", "m.cbor.kept-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if files() != 1 {
		t.Errorf("%d files are kept", files())
	}
	r.confirm()
	if len(r.pluginStatus("m").Kept) != 0 || files() != 0 {
		t.Errorf("after the confirmation there are %d files", files())
	}
	_, err := r.Rollback(t.Context(), RollbackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.wants("/m", "m1 {2 map[/m:1]}")
	// Left behind by a process that ended in between.
	if err := os.WriteFile(filepath.Join(w.store, "state", "m.cbor.kept-000001-"+w.imageID("m1").String()), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Close(t.Context())
	w.host(w.options("m"))
	if files() != 1 { // the one of the rollback
		t.Errorf("after a restart there are %d files", files())
	}
}

// TestKeptInMemory keeps a state that can't be written: it comes back in this process, and the deploy and the status say
// that it doesn't in another.
func TestKeptInMemory(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m5")
	r.get("/m")
	result, err := r.deployAs("m", "m2", DeployOptions{})
	if err != nil || !strings.Contains(result.Warning, "in memory only") {
		t.Fatalf("%+v, %v", result, err)
	}
	if k := r.pluginStatus("m").Kept; len(k) != 1 || !k[0].MemoryOnly {
		t.Errorf("kept: %+v", k)
	}
	back, err := r.Rollback(t.Context(), RollbackOptions{})
	if err != nil || !slices.Equal(back.Moves[0].State.Restored, []string{"state.Done", "state.Seen"}) {
		t.Errorf("back: %+v, %v", back, err)
	}
}

// TestMostKept bounds what is kept of a state that is reloaded again and again.
func TestMostKept(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	for range mostKept {
		w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
		w.mustMove(r.deployAs("m", "m1", DeployOptions{}))
	}
	if k := r.pluginStatus("m").Kept; len(k) != mostKept || !w.logged("the oldest is removed") || time.Since(k[0].Time) < 0 {
		t.Errorf("kept: %+v", k)
	}
}

// TestKeptByOrder gives a generation the state that it had only by an order to go back: a deploy of the same image, without
// one, is refused when the newer state can't be moved, and so is one whose code fails.
func TestKeptByOrder(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.wants("/a", "a1 1")
	r.mustDeploy("a9")
	r.wants("/a", "a9 2")
	_, err := r.deployAs("a", "a1", DeployOptions{})
	r.refusal(err, "a", PhaseState)
	r.wants("/a", "a9 3")
	if s := w.mustMove(r.deployAs("a", "a1", DeployOptions{LoseState: true})); s.Way != WayKept || s.Version != 1 {
		t.Errorf("by order: %+v", s)
	}
	r.wants("/a", "a1 2")

	r.mustDeploy("a2")
	w.fail("a1 Import 2", func(context.Context) error { panic("at the disco") })
	_, err = r.Rollback(t.Context(), RollbackOptions{To: 1})
	var panicked *PanicError
	if r.refusal(err, "a", PhaseState); !errors.As(err, &panicked) {
		t.Errorf("refused: %v", err)
	}
	r.wants("/a", "a2 3")
}

// TestMismatch has an Export that returns another version than the Descriptor says: the first checkpoint tells, in the log
// and in the status, and no checkpoint tells before.
func TestMismatch(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m6")
	for range 2 {
		if err := r.plugins()[0].checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.pluginStatus("m"); !strings.Contains(s.Mismatch, `Export returns a *sohost.memory1 of schema "memory" version 2, but Descriptor.State says *sohost.memory1 of schema "memory" version 1`) {
		t.Errorf("the status says %q", s.Mismatch)
	}
	w.mu.Lock()
	times := strings.Count(w.log.String(), "a restart may lose the plugin's state")
	w.mu.Unlock()
	if times != 1 {
		t.Errorf("logged %d times", times)
	}
	w.mustMove(r.deployAs("m", "m1", DeployOptions{LoseState: true}))
	if s := r.pluginStatus("m"); s.Mismatch != "" {
		t.Errorf("the status says %q", s.Mismatch)
	}
}

// TestDroppedForGood confirms a release that has dropped a state, and goes back after that: the state is a checkpoint now.
func TestDroppedForGood(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.wants("/a", "a1 1")
	w.mustMove(r.deployAs("a", "s1", DeployOptions{LoseState: true}))
	r.confirm()
	if k := r.pluginStatus("a").Kept; len(k) != 0 {
		t.Errorf("kept: %+v", k)
	}
	if s := r.back(); s.Way != WayCheckpoint || s.Age <= 0 {
		t.Errorf("back: %+v", s)
	}
	r.wants("/a", "a1 2")
}

// TestKeptFails can't write what is to be kept, and can't read what was: both are told.
func TestKeptFails(t *testing.T) {
	w := newWorld(t)
	r := w.boots("m1")
	r.wants("/m", "m1 {1 map[/m:1]}")
	folder := filepath.Join(w.store, "state")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result, err := r.deployAs("m", "m2", DeployOptions{})
	if err != nil || !strings.Contains(result.Warning, "in memory only") {
		t.Fatalf("%+v, %v", result, err)
	}
	back, err := r.Rollback(t.Context(), RollbackOptions{})
	if err != nil || !slices.Equal(back.Moves[0].State.Restored, []string{"state.Seen"}) {
		t.Fatalf("%+v, %v", back, err)
	}
	r.wants("/m", "m1 {2 map[/m:2]}")

	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	w.mustMove(r.deployAs("m", "m4", DeployOptions{}))
	w.mustMove(r.deployAs("m", "m2", DeployOptions{}))
	for _, k := range r.plugins()[0].kept {
		if k.File == "" {
			continue
		}
		if err := os.WriteFile(k.File, []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := r.back("m")
	if len(s.Unrestored) == 0 || !strings.Contains(s.Unrestored[0], "corrupt") {
		t.Errorf("back: %+v", s)
	}
}

// TestKeptImports keeps only the newest state of code whose Import runs at each reload, since nothing is known to be lost. A new
// process knows that, too. What has lost something stays beside it.
func TestKeptImports(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	kept := func(images ...string) {
		t.Helper()
		var have, want []generations.ID
		for _, k := range r.pluginStatus("a").Kept {
			have = append(have, k.Image)
		}
		for _, image := range images {
			want = append(want, w.imageID(image))
		}
		found, err := filepath.Glob(filepath.Join(w.store, "state", "a.cbor.kept-*"))
		if err != nil || !slices.Equal(have, want) || len(found) != len(images) {
			t.Errorf("kept: %v, %v, want %v; %v", have, found, want, err)
		}
	}
	for _, image := range []string{"a2", "a3", "a4"} {
		w.mustMove(r.deployAs("a", image, DeployOptions{}))
	}
	kept("a3")
	r.Close(t.Context())
	r = w.host(w.options("a"))
	kept("a3")
	w.mustMove(r.deployAs("a", "a5", DeployOptions{}))
	kept("a4")
	w.mustMove(r.deployAs("a", "s1", DeployOptions{LoseState: true}))
	kept("a5", "a4")
	r.Close(t.Context())
	r = w.host(w.options("a"))
	w.mustMove(r.deployAs("a", "a6", DeployOptions{}))
	w.mustMove(r.deployAs("a", "a7", DeployOptions{}))
	kept("a6", "a5")
}

// TestRestoreByOrder goes from code without state to code that doesn't take the state that is there. That is refused, and by
// order it begins with none; the state stays kept until the release is confirmed.
func TestRestoreByOrder(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a9")
	r.wants("/a", "a9 1")
	w.mustMove(r.deployAs("a", "s1", DeployOptions{LoseState: true}))
	r.confirm() // from here on the state is a checkpoint
	_, err := r.deployAs("a", "a1", DeployOptions{})
	if refused := r.refusal(err, "a", PhaseState); !strings.Contains(refused.Message, "begin with none") {
		t.Errorf("refused: %v", err)
	}
	if s := w.mustMove(r.deployAs("a", "a1", DeployOptions{LoseState: true})); s.Way != WayDropped || !slices.Equal(s.Lost, []string{"everything"}) {
		t.Errorf("by order: %+v", s)
	}
	r.wants("/a", "a1 1")
	if k := r.pluginStatus("a").Kept; len(k) != 1 || !k[0].Image.IsZero() {
		t.Fatalf("kept: %+v", k)
	}
	for range 2 { // which replace both checkpoints
		if err := r.plugins()[0].checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if k := r.pluginStatus("a").Kept; len(k) != 1 {
		t.Errorf("after two checkpoints: %+v", k)
	} else if _, err := os.Stat(r.plugins()[0].kept[0].File); err != nil {
		t.Error(err)
	}
}
