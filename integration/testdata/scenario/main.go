// A program that embeds sohost and plays one scenario, with images of the drill plugin. It prints what went wrong.
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

var scenarios = map[string]func(*stage){
	"giveback":  giveBack,
	"cancel":    cancel,
	"late":      late,
	"hammer":    hammer,
	"retire":    retire,
	"prune":     prune,
	"rollback":  rollback,
	"unwritten": unwritten,
	"close":     closeWhileBusy,
	"held":      held,
	"restore":   restore,
	"requests":  requests,
}

// usage: scenario NAME DIRECTORY IMAGE…
func main() {
	os.Setenv("DRILL_VERSION", "1")
	s := &stage{dir: os.Args[2], images: os.Args[3:]}
	scenarios[os.Args[1]](s)
	if s.failed {
		os.Exit(1)
	}
}

// stage is where a scenario is played: one store, and whichever host has it.
type stage struct {
	dir    string
	images []string
	mode   sohost.Mode
	keep   int

	*sohost.Host

	mu     sync.Mutex // guards what follows
	steps  []string   // PLUGIN GENERATION STEP
	failed bool
}

func (s *stage) check(ok bool, format string, args ...any) {
	if !ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = true
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

func (s *stage) must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open begins with the plugins a and b. Their files hold the first image, unless a scenario has put another one there.
func (s *stage) open(interval time.Duration) {
	// Behind a link, where the runtime knows the images by other paths than those that are given to it.
	real, link := filepath.Join(s.dir, "real"), filepath.Join(s.dir, "store")
	s.must(os.MkdirAll(real, 0o755))
	if _, err := os.Lstat(link); err != nil {
		s.must(os.Symlink(real, link))
	}
	o := sohost.Options{Store: link, Keep: s.keep, CheckpointInterval: interval, Emit: s.note, DrainTimeout: 5 * time.Second,
		OpenTimeout: 5 * time.Second, Settle: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))}
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

func (s *stage) file(plugin string) string { return filepath.Join(s.dir, plugin+".so") }

func (s *stage) install(image, plugin string) {
	b, err := os.ReadFile(image)
	s.must(err)
	s.must(os.WriteFile(s.file(plugin)+"~", b, 0o644))
	s.must(os.Rename(s.file(plugin)+"~", s.file(plugin)))
}

func (s *stage) note(_ context.Context, plugin string, points []abi.Point) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range points {
		s.steps = append(s.steps, plugin+" "+p.Tags[0].Value[:4]+" "+p.Table)
	}
	return nil
}

// told are the steps since the last call, of one plugin.
func (s *stage) told(plugin string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := slices.DeleteFunc(slices.Clone(s.steps), func(step string) bool { return !strings.HasPrefix(step, plugin+" ") })
	s.steps = nil
	return steps
}

// count is how many of the noted steps are of that kind.
func (s *stage) count(step string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, told := range s.steps {
		if strings.HasSuffix(told, " "+step) {
			n++
		}
	}
	return n
}

// await waits for what must come.
func (s *stage) await(what string, ok func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("waited in vain: %s", what))
		}
	}
}

func (s *stage) deploy(images map[string]string) (*sohost.Reload, error) {
	return s.Deploy(context.Background(), images)
}

// serving is the index of the plugin's image among the stage's.
func (s *stage) serving(plugin string) int {
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

func (s *stage) call(plugin string) error {
	return s.Call(context.Background(), plugin, func(i abi.Instance) error { i.(counter).Count(); return nil })
}

func (s *stage) calls(plugin string) (n int) {
	s.must(s.Call(context.Background(), plugin, func(i abi.Instance) error { n = i.(counter).Calls(); return nil }))
	return n
}

// ask has the drill plugin do something at a step of its life, "" nothing.
func ask(plugin, step, what string) { os.Setenv("DRILL_"+plugin+"_"+step, what) }
