package sohost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// The plugins of these tests are part of the test program. An image is a file that has nothing but its name in it, such
// as "a1", and opening it makes a descriptor. Everything else is real: store, slots, state, sockets. Package
// integration tests real images, which take a program and plugins that are built for each other.

// world holds the plugins of one test, in any number of hosts.
type world struct {
	t     testing.TB
	store string
	dir   string // of the image files

	mu      sync.Mutex
	spares  chan instance.ProbeOptions             // gets those with which spare children of the probe are made, unless nobody waits
	events  []string                               // what plugins and loaders did: "a2 Start"
	faults  map[string]func(context.Context) error // by event; called instead of letting it succeed
	costs   instance.Costs
	pause   time.Duration  // Options.CheckpointPause; 0: 4 s
	backlog func() Backlog // opens what a process has of acknowledged writes; nil for none
	feeds   func(plugin string) []string
	port    *basic // who has what only one instance can have
	log     strings.Builder
}

func newWorld(t testing.TB) *world {
	return &world{t: t, store: filepath.Join(t.TempDir(), "store"), dir: t.TempDir(), faults: map[string]func(context.Context) error{}}
}

// Write collects the lines of the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// logged reports whether the log has the text.
func (w *world) logged(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.log.String(), text)
}

// did records an event, and returns its result.
func (w *world) did(ctx context.Context, format string, args ...any) error {
	event := fmt.Sprintf(format, args...)
	w.mu.Lock()
	w.events = append(w.events, event)
	fault := w.faults[event]
	w.mu.Unlock()
	if fault != nil {
		return fault(ctx)
	}
	return nil
}

// done returns the events since it was last called, only those of the given kinds if there are any.
func (w *world) done(kinds ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []string
	for _, e := range w.events {
		_, kind, _ := strings.Cut(e, " ")
		if len(kinds) == 0 || slices.Contains(kinds, strings.Fields(kind)[0]) {
			found = append(found, e)
		}
	}
	w.events = nil
	return strings.Join(found, ", ")
}

// fail makes an event fail; nil lets it succeed again.
func (w *world) fail(event string, how func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if how == nil {
		delete(w.faults, event)
		return
	}
	w.faults[event] = how
}

var errFault = errors.New("fault")

func fails(context.Context) error { return errFault }

// hangs blocks until its context ends, and then fails.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// file writes an image file for the plugin, as a build would.
func (w *world) file(plugin, image string) string {
	w.t.Helper()
	file := filepath.Join(w.dir, plugin+".so")
	if err := os.WriteFile(file+".new", []byte(image), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		w.t.Fatal(err)
	}
	return file
}

// imageID returns the id of an image.
func (w *world) imageID(image string) generations.ID {
	w.t.Helper()
	s, err := generations.OpenStore(w.t.TempDir(), generations.StoreOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	file := filepath.Join(w.t.TempDir(), "image")
	if err := os.WriteFile(file, []byte(image), 0o600); err != nil {
		w.t.Fatal(err)
	}
	o, err := s.Add(w.t.Context(), file)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.ID
}

// loader returns the loader of one process.
func (w *world) loader() *instance.Loader {
	var mu sync.Mutex
	opened := map[string]*instance.Image{}
	name := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			w.t.Error(err)
		}
		return string(b)
	}
	paths := func() (paths []string) {
		mu.Lock()
		defer mu.Unlock()
		for path := range opened {
			paths = append(paths, path)
		}
		return paths
	}
	return &instance.Loader{
		Check: func(path, _ string) error { return w.did(w.t.Context(), "%s check", name(path)) },
		Wall:  func() []instance.WallLayer { return nil },
		MakeSpare: func(o instance.ProbeOptions) error {
			select {
			case w.spares <- o:
			default:
			}
			return nil
		},
		Spare: func() *instance.Spare { return nil },
		Close: func() {},
		Probe: func(ctx context.Context, _ instance.ProbeOptions, paths ...string) (instance.Probed, error) {
			var names []string
			for _, p := range paths {
				names = append(names, name(p))
			}
			return instance.Probed{}, w.did(ctx, "%s probe", strings.Join(names, "+"))
		},
		Open: func(ctx context.Context, path string) (*instance.Image, error) {
			mu.Lock()
			defer mu.Unlock()
			if im := opened[path]; im != nil {
				return im, nil
			}
			image := name(path)
			if err := w.did(ctx, "%s open", image); err != nil {
				return nil, err
			}
			im := instance.NewImage(path, &native.Info{Packages: map[string]string{"p/" + image: "x"}}, w.descriptor(image))
			opened[path] = im
			return im, nil
		},
		IsOpen: func(path string) bool {
			mu.Lock()
			defer mu.Unlock()
			return opened[path] != nil
		},
		Mapped: paths,
		Opened: paths,
		Measure: func(inUse func(string) bool) instance.Costs {
			w.mu.Lock()
			defer w.mu.Unlock()
			c := w.costs
			c.Memory = map[string]native.Memory{}
			mu.Lock()
			defer mu.Unlock()
			for path := range opened {
				c.Memory[path] = native.Memory{Resident: 7}
				if !inUse(path) {
					c.Images++
				}
			}
			return c
		},
		Poisoned: func() error { return w.did(w.t.Context(), "- poisoned") },
	}
}

// count is the state of a plugin.
type count struct{ N int }

// descriptor returns the plugin of an image. The letter in its name says what it has: a and b have state and background
// work, s has no state, n no handler; y, q, u and g are middlewares, g with state; d has no state and all handlers, and d7 takes an argument n; w counts writes in its state; e exports beside calls; o and p are exclusive, p with state; x has state that can't be checkpointed; v holds any value. The
// digit 9 means version 2 of the state. m is a memory, whose state has other fields in each image: see state_test.go. k has a
// keep.Map, h a Go map and no background work.
func (w *world) descriptor(image string) *abi.Descriptor {
	if image[0] == 'm' {
		return w.memory(image)
	}
	d := &abi.Descriptor{ABI: abi.Version, Version: "v" + image[1:], New: func(ctx context.Context, host abi.Host) (abi.Instance, error) {
		b := &basic{w: w, image: image, host: host}
		if err := w.did(ctx, "%s New", image); err != nil {
			return nil, err
		}
		switch image[0] {
		case 'k':
			return &keeper{basic: b, Of: keep.New("keeping", 1, &keeping{})}, nil
		case 'h':
			return &hoarder{Of: keep.New("hoarding", 1, &hoarding{Hits: map[string]int{}, Visits: map[string]*visits{}}), Handler: b, host: host}, nil
		case 'v':
			return &holding{basic: b, holder: &holder{}}, nil
		case 's':
			return b, nil
		case 'o':
			return &owner{b}, nil
		case 'p':
			return &statefulOwner{&stateful{basic: b}}, nil
		case 'y', 'q', 'u':
			return &before{b}, nil
		case 'g':
			return &statefulBefore{&stateful{basic: b}, before{b}}, nil
		case 'd':
			return &doer{b}, nil
		case 'w':
			return &adder{stateful: &stateful{basic: b}}, nil
		case 'n':
			return struct{}{}, nil
		}
		return &stateful{basic: b}, nil
	}}
	version := 1
	if strings.HasSuffix(image, "9") {
		version = 2
	}
	switch image[0] {
	case 'o':
		d.Exclusive = true
	case 'p':
		d.Exclusive, d.ConcurrentExport, d.State = true, true, abi.State{Schema: "count", Version: version, Value: &count{}}
	case 'd':
		if image == "d7" {
			d.Args = []abi.Arg{{Name: "n", Type: abi.ArgInt, Required: true}}
		}
	case 'k':
		d.State = keep.Prototype[keeping]("keeping", 1)
	case 'h':
		d.State = keep.Prototype[hoarding]("hoarding", 1)
	case 'v':
		d.State = abi.State{Schema: "holder", Version: 1, Value: &holder{}}
	case 'x':
		d.State = abi.State{Schema: "count", Version: version}
	case 'e':
		d.ConcurrentExport = true
		fallthrough
	default:
		d.State = abi.State{Schema: "count", Version: version, Value: &count{}}
	}
	return d
}

// basic is an instance without state.
type basic struct {
	w     *world
	image string
	host  abi.Host
	mu    sync.Mutex
	count *count
}

func (b *basic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if err := b.w.did(ctx, "%s %s", b.image, strings.Trim(r.URL.Path, "/")); err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count == nil {
		b.count = &count{}
	}
	b.count.N++
	fmt.Fprintf(w, "%s %d", b.image, b.count.N)
}

func (b *basic) Start(ctx context.Context) error { return b.w.did(ctx, "%s Start", b.image) }
func (b *basic) Stop(ctx context.Context) error  { return b.w.did(ctx, "%s Stop", b.image) }

// Call makes it a ratio.Callee.
//
//go:noinline
func (b *basic) Call(n int) int { return n + 1 }

func (b *basic) Close() error { return b.w.did(context.Background(), "%s Close", b.image) }

// stateful is an instance with state.
type stateful struct{ *basic }

func (s *stateful) Export(ctx context.Context) (abi.State, error) {
	if err := s.w.did(ctx, "%s Export", s.image); err != nil {
		return abi.State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == nil {
		s.count = &count{}
	}
	state := s.w.descriptor(s.image).State
	state.Value = s.count
	return state, nil
}

func (s *stateful) Import(ctx context.Context, given abi.State) error {
	c, ok := given.Value.(*count)
	if !ok {
		return fmt.Errorf("have a %T", given.Value)
	}
	if wants := s.w.descriptor(s.image).State.Version; given.Version > wants {
		return fmt.Errorf("have version %d", given.Version)
	}
	if err := s.w.did(ctx, "%s Import %d", s.image, c.N); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = c
	return nil
}

// options returns the options of a host with these plugins, each with a file of its own in dir.
func (w *world) options(plugins ...string) Options {
	o := Options{
		Store: w.store, Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Settle: time.Millisecond, OpenTimeout: time.Minute, DrainTimeout: time.Minute, CheckpointInterval: time.Hour,
		CheckpointPause: cmp.Or(w.pause, 4*time.Second), Probation: time.Hour,
		Feeds: w.feeds,
	}
	for _, name := range plugins {
		o.Plugins = append(o.Plugins, Plugin{Name: name, Image: filepath.Join(w.dir, name+".so"), Routes: []string{"/" + name}})
	}
	return o
}

// rig is one host of a world.
type rig struct {
	*Host
	w *world
}

// host returns a new host. It is closed at the end of the test, if it isn't before.
func (w *world) host(o Options) *rig {
	w.t.Helper()
	h, err := newHost(w.t.Context(), o, w.loader())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return &rig{h, w}
}

// boots writes images and returns a host that boots them: "a1", "b1".
func (w *world) boots(images ...string) *rig {
	w.t.Helper()
	var plugins []string
	for _, image := range images {
		w.file(image[:1], image)
		plugins = append(plugins, image[:1])
	}
	return w.host(w.options(plugins...))
}

// get makes a request, and returns the response's text.
func (r *rig) get(path string) string {
	r.w.t.Helper()
	code, text := r.request(path)
	if code != http.StatusOK {
		return fmt.Sprintf("%d %s", code, text)
	}
	return text
}

func (r *rig) request(path string) (code int, text string) {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// deploy writes images and deploys them.
func (r *rig) deploy(images ...string) (*Reload, error) {
	r.w.t.Helper()
	files := map[string]string{}
	for _, image := range images {
		files[image[:1]] = r.w.file(image[:1], image)
	}
	return r.Deploy(r.w.t.Context(), files)
}

func (r *rig) mustDeploy(images ...string) *Reload {
	r.w.t.Helper()
	result, err := r.deploy(images...)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return result
}

// wants checks what a request gets.
func (r *rig) wants(path, want string) {
	r.w.t.Helper()
	if got := r.get(path); got != want {
		r.w.t.Errorf("%s: %q, want %q", path, got, want)
	}
}

// refusal checks that an error is a refusal of the plugin at that phase, and that Status has it too, and returns it.
func (r *rig) refusal(err error, plugin string, phase Phase) *Refusal {
	r.w.t.Helper()
	var refused *Refusal
	if !errors.As(err, &refused) {
		r.w.t.Fatalf("%v is no refusal", err)
	}
	if refused.Plugin != plugin || refused.Phase != phase || refused.Message == "" || refused.Time.IsZero() {
		r.w.t.Errorf("refused is %+v, want %s at %s", refused, plugin, phase)
	}
	if of := r.pluginStatus(plugin).Refused; of != refused {
		r.w.t.Errorf("Status has %+v, want %+v", of, refused)
	}
	return refused
}

func (r *rig) pluginStatus(name string) PluginStatus {
	for _, p := range r.StatusBrief().Plugins {
		if p.Name == name {
			return p
		}
	}
	r.w.t.Fatalf("no plugin %s", name)
	return PluginStatus{}
}

// eventually waits until ok holds. Everything it waits for happens on its own; the limit ends a test that hangs.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// history returns the events of a kind.
func (r *rig) history(kind generations.Kind) []generations.Event {
	r.w.t.Helper()
	all, err := r.History(0)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e generations.Event) bool { return e.Kind != kind })
}

// onDisk returns what a reload could leave behind on disk: the trials, and the images that a prune would remove.
func (r *rig) onDisk() string {
	r.w.t.Helper()
	trials, _ := os.ReadDir(filepath.Join(r.opts.Store, "trials"))
	return fmt.Sprintf("%d trials, %d pins", len(trials), r.ledger.Pinned())
}

// mustJSON returns a value as JSON.
func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
