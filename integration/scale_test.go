package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// scalePlugins is how many plugins TestScale has. `make scale` sets it.
var scalePlugins = flag.Int("plugins", 24, "plugins of TestScale")

// scale is one server with many plugins.
type scale struct {
	*daemon
	t     *testing.T
	place place
	clone *cloner
	names []string
}

// TestScale has many plugins in one server: each with an image of its own, and one whose image is broken, which holds up no other. They
// boot, answer, change all at the same time as one deploy, and go to another process, under load. Its log is what
// docs/performance.md says about many plugins.
func TestScale(t *testing.T) {
	t.Parallel()
	s := &scale{t: t, place: newPlace(t), clone: newCloner(t, newSource(t, "hello").build(), "example.com/hello")}
	for i := range *scalePlugins {
		s.names = append(s.names, fmt.Sprintf("p%03d", i))
	}
	s.replaceAll()
	if err := os.WriteFile(filepath.Join(s.place.plugins, "broken.so"), []byte("\x7fELF, and nothing else"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.boot("first boot")
	s.terminate()
	s.boot("boot from the store")
	var loads []*load
	for _, name := range []string{s.names[0], s.names[len(s.names)-1]} {
		loads = append(loads, startLoad(1, *steady, get(s.url+"/"+name)))
	}
	s.measureStatus()
	s.changeAll()
	s.handOver(loads)
	for _, l := range loads {
		l.end(t)
	}
	s.idle()
}

// replaceAll puts a new image in the place of each plugin's, all of them at once.
func (s *scale) replaceAll() {
	s.t.Helper()
	images := make([]string, len(s.names))
	for i, name := range s.names {
		images[i] = filepath.Join(s.place.dir, name+".new")
		if err := os.Rename(s.clone.clone(s.t), images[i]); err != nil {
			s.t.Fatal(err)
		}
	}
	for i, name := range s.names {
		if err := os.Rename(images[i], filepath.Join(s.place.plugins, name+".so")); err != nil {
			s.t.Fatal(err)
		}
	}
}

// boot starts the server, and waits until all plugins serve.
func (s *scale) boot(what string) {
	s.t.Helper()
	begin := time.Now()
	s.daemon = s.place.start(s.t, "--plugins", s.place.plugins)
	listens := time.Since(begin)
	awaitThat(s.t, "the boot is over", func() bool { return s.status().Booting == nil })
	s.t.Logf("%s: it listens after %v, all serve after %v", what, listens.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	s.allServe()
}

// allServe checks that each plugin answers.
func (s *scale) allServe() {
	s.t.Helper()
	for _, name := range s.names {
		s.get("/" + name)
	}
}

// measureStatus logs what it takes to ask for the status.
func (s *scale) measureStatus() {
	for _, args := range [][]string{{"status"}, {"status", "--json"}} {
		var took []time.Duration
		var out []byte
		for range 7 {
			begin := time.Now()
			var errs bytes.Buffer
			cmd := command(context.Background(), server, append(args, "--control", s.place.control)...)
			cmd.Stderr = &errs
			var err error
			if out, err = cmd.Output(); err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: not all is well, as with the broken one
				s.t.Fatalf("%v: %v: %s", args, err, errs.String())
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		s.t.Logf("sohost %v: %v (median of 7), %d bytes", args, took[3].Round(time.Millisecond), len(out))
		var status control.Status
		if args[len(args)-1] == "--json" && json.Unmarshal(out, &status) == nil && len(status.Plugins) < len(s.names) {
			s.t.Errorf("status has %d plugins", len(status.Plugins))
		}
	}
}

// changeAll replaces all images at the same time, and counts the releases that come of it.
func (s *scale) changeAll() {
	s.t.Helper()
	before := s.status()
	mark, begin := s.mark(), time.Now()
	s.replaceAll()
	replaced := time.Now()
	for _, name := range s.names {
		s.awaitReload(mark, name)
	}
	loaded := time.Since(replaced)
	releases := map[int]int{}
	events, err := s.client.History(patient(s.t), 2*len(s.names))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == generations.KindDeploy && e.Time.After(begin) {
			releases[e.Release]++
		}
	}
	s.t.Logf("all changed within %v: loaded after %v in %d releases (%v)", replaced.Sub(begin).Round(time.Millisecond),
		loaded.Round(time.Millisecond), len(releases), releases)
	if !*full && len(releases) > 2 { // the files may take longer than others wait for them to be quiet; a round of full images does
		s.t.Errorf("%d changed images made %d releases", len(s.names), len(releases))
	}
	after := s.status()
	for i, p := range after.Plugins {
		if was := before.Plugins[i]; p.Name != "broken" && p.Generation == was.Generation {
			s.t.Errorf("%s serves the old image", p.Name)
		}
	}
	s.allServe()
}

// handOver logs how long callers wait in a handover.
func (s *scale) handOver(loads []*load) {
	s.t.Helper()
	for _, l := range loads {
		l.round(s.t)
		l.soFar()
	}
	begin := time.Now()
	if _, err := s.client.Handover(patient(s.t), control.HandoverRequest{Why: "test"}); err != nil {
		s.t.Fatalf("%v; the log:\n%s", err, s.log())
	}
	took := time.Since(begin)
	var longest time.Duration
	for _, l := range loads {
		l.round(s.t)
		_, _, one := l.soFar()
		longest = max(longest, one)
	}
	s.t.Logf("a handover takes %v, the longest request meanwhile %v", took.Round(time.Millisecond), longest.Round(time.Microsecond))
	s.allServe()
}

// idle logs what the server takes while nobody calls.
func (s *scale) idle() {
	status := s.status()
	s.t.Logf("memory: worker %d MiB, supervisor %d MiB", status.Memory>>20, status.SupervisorMemory>>20)
	if *scalePlugins < 100 {
		return
	}
	time.Sleep(15 * time.Second) // what a start leaves behind
	const seconds = 20
	worker := s.status().Worker.PID
	before := []int{switches(s.t, s.cmd.Process.Pid), switches(s.t, worker)}
	cpu := cpuTime(s.t, worker) + cpuTime(s.t, s.cmd.Process.Pid)
	time.Sleep(seconds * time.Second)
	cpu = cpuTime(s.t, worker) + cpuTime(s.t, s.cmd.Process.Pid) - cpu
	s.t.Logf("idle for %d s: %v of CPU (%.2f %%), %d wake-ups of the supervisor, %d of the worker", seconds, cpu,
		100*cpu.Seconds()/seconds, switches(s.t, s.cmd.Process.Pid)-before[0], switches(s.t, worker)-before[1])
}
