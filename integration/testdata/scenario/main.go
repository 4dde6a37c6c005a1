// A program that embeds sohost and runs one scenario with images of the drill plugin. It prints what went wrong.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/abi"
)

var scenarios = map[string]func(*scenario){
	"giveback":  giveBack,
	"cancel":    cancel,
	"late":      late,
	"hammer":    hammer,
	"retire":    retire,
	"prune":     prune,
	"rollback":  rollback,
	"again":     again,
	"unwritten": unwritten,
	"close":     closeWhileBusy,
	"held":      held,
	"restore":   restore,
	"requests":  requests,
}

// usage: REPEATS=1 scenario NAME DIRECTORY IMAGE…
func main() {
	os.Setenv("DRILL_VERSION", "1")
	s := &scenario{dir: os.Args[2], images: os.Args[3:]}
	scenarios[os.Args[1]](s)
	if s.failed {
		os.Exit(1)
	}
}

// scenario has one store, and whichever host has it.
type scenario struct {
	dir    string
	images []string
	mode   sohost.Mode
	keep   int

	*sohost.Host

	mu      sync.Mutex     // guards what follows
	steps   []string       // PLUGIN GENERATION STEP
	skipped map[string]int // how often the log of this host says that it skips a plugin's image, by plugin and image
	failed  bool
}

func (s *scenario) check(ok bool, format string, args ...any) {
	if !ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = true
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

func (s *scenario) must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open begins with the plugins a and b. Their files hold the first image, unless a scenario has put another one there.
func (s *scenario) open(interval time.Duration) {
	// Behind a link, where the runtime knows the images by other paths than those that are given to it.
	real, link := filepath.Join(s.dir, "real"), filepath.Join(s.dir, "store")
	s.must(os.MkdirAll(real, 0o755))
	if _, err := os.Lstat(link); err != nil {
		s.must(os.Symlink(real, link))
	}
	o := sohost.Options{Store: link, Keep: s.keep, CheckpointInterval: interval, Emit: s.note, DrainTimeout: 5 * time.Second,
		OpenTimeout: 5 * time.Second, Settle: time.Millisecond,
		Logger: slog.New(&logHandler{slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}), s})}
	s.mu.Lock()
	s.skipped = map[string]int{}
	s.mu.Unlock()
	for _, name := range []string{"a", "b"} {
		file := s.file(name)
		if _, err := os.Stat(file); err != nil {
			s.install(s.images[0], name)
		}
		o.Plugins = append(o.Plugins, sohost.Plugin{Name: name, Image: file, Mode: s.mode, Routes: []string{"/" + name}})
	}
	var err error
	s.Host, err = sohost.New(context.Background(), o)
	s.must(err)
}

// logHandler notes which images the host skips, beside what it logs. An image is skipped with the only line of that level that
// has these two attributes.
type logHandler struct {
	slog.Handler
	s *scenario
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	of := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { of[a.Key] = a.Value.String(); return true })
	if r.Level == slog.LevelInfo && len(of) == 2 && of["plugin"] != "" && of["image"] != "" {
		h.s.mu.Lock()
		h.s.skipped[of["plugin"]+" "+of["image"]]++
		h.s.mu.Unlock()
	}
	return h.Handler.Handle(ctx, r)
}

// skips returns how often the host has looked at an image of a plugin since it was opened, and skipped it.
func (s *scenario) skips(plugin string, image int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.skipped {
		if of, id, _ := strings.Cut(key, " "); of == plugin && strings.HasPrefix(filepath.Base(s.images[image]), id) {
			return n
		}
	}
	return 0
}

func (s *scenario) file(plugin string) string { return filepath.Join(s.dir, plugin+".so") }

func (s *scenario) install(image, plugin string) {
	b, err := os.ReadFile(image)
	s.must(err)
	s.must(os.WriteFile(s.file(plugin)+"~", b, 0o644))
	s.must(os.Rename(s.file(plugin)+"~", s.file(plugin)))
}

func (s *scenario) note(_ context.Context, plugin string, tables []abi.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tables {
		s.steps = append(s.steps, plugin+" "+t.Columns[0].Strings[0][:4]+" "+t.Name)
	}
	return nil
}

// stepsOf returns the steps of one plugin since the last call.
func (s *scenario) stepsOf(plugin string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := slices.DeleteFunc(slices.Clone(s.steps), func(step string) bool { return !strings.HasPrefix(step, plugin+" ") })
	s.steps = nil
	return steps
}

// count returns how many of the noted steps are of that kind.
func (s *scenario) count(step string) int { return s.countOf("a", step) + s.countOf("b", step) }

// countOf returns how many of them are a plugin's.
func (s *scenario) countOf(plugin, step string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, noted := range s.steps {
		if strings.HasPrefix(noted, plugin+" ") && strings.HasSuffix(noted, " "+step) {
			n++
		}
	}
	return n
}

// patience bounds every wait for something that must happen. Only a hang reaches it.
const patience = 2 * time.Minute

// await waits for what must come.
func (s *scenario) await(what string, ok func() bool) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("not within %v: %s", patience, what))
		}
	}
}

func (s *scenario) deploy(images map[string]string) (*sohost.Reload, error) {
	return s.Deploy(context.Background(), images)
}

// serving returns the index of the plugin's image among those of the scenario.
func (s *scenario) serving(plugin string) int {
	for _, p := range s.Status().Plugins {
		if p.Name == plugin {
			return slices.IndexFunc(s.images, func(file string) bool { return strings.Contains(file, p.Generation.Short()) })
		}
	}
	return -1
}

type counter interface {
	Count() int
	Calls() int
}

func (s *scenario) call(plugin string) error {
	return s.Call(context.Background(), plugin, func(i abi.Instance) error { i.(counter).Count(); return nil })
}

func (s *scenario) calls(plugin string) (n int) {
	s.must(s.Call(context.Background(), plugin, func(i abi.Instance) error { n = i.(counter).Calls(); return nil }))
	return n
}

// onStep has the drill plugin do something at a step of its life, "" nothing.
func onStep(plugin, step, what string) { os.Setenv("DRILL_"+plugin+"_"+step, what) }
