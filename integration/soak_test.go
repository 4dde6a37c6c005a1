package integration

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// soakReloads is how long TestSoak runs. `make soak` sets it.
var soakReloads = flag.Int("soak", 14, "reloads of TestSoak; the budget of old generations is 4, from 80 reloads on 14, from 1,000 on 128")

// What the soak asserts besides that nothing fails and nothing is lost. What is compared needs some reloads: memory 80 of them,
// durations twice soakWindow.
const (
	soakSettled     = 50       // reloads after which memory has come to its level, in a long soak
	soakSupervisor  = 32 << 20 // bytes that the supervisor stays below
	soakMemory      = 1.5      // times that level is allowed at the end
	soakWindow      = 200      // reloads at the beginning and at the end whose median durations are compared
	soakSlower      = 1.3      // times the first median is allowed for the last
	soakEveryReport = 100
)

// soak is a long life of one server.
type soak struct {
	*daemon
	t       *testing.T
	place   place
	budget  int
	images  map[string]*cloner
	loads   map[string]*load
	took    []time.Duration // by each reload
	memory  []int64         // after each reload
	settled int             // reloads after which the server has come to its level
	files   int             // that the supervisor had open then
	longest time.Duration   // that a request took
	shown   int             // reloads that were reported
	begin   time.Time
}

// TestSoak reloads two plugins with state under a steady load, far more often than one process may: the server goes from
// worker to worker. No request may fail, no count may be lost, and neither memory nor reloads may grow.
func TestSoak(t *testing.T) {
	if *arm64 {
		t.Skip("the memory that it watches would be the emulator's")
	}
	t.Parallel()
	reloads, budget := *soakReloads, 4
	switch {
	case reloads >= 1000:
		budget = 128
	case reloads >= 80:
		budget = 14
	}
	var args []string // the default is 128
	if budget != 128 {
		args = []string{"--old-generations", strconv.Itoa(budget)}
	}
	if least := 2*budget + 4; reloads < least {
		t.Fatalf("-soak %d: want at least %d", reloads, least)
	}
	s := newSoak(t, budget, args...)
	for i := range reloads {
		s.reload(i)
		status := s.status()
		s.memory = append(s.memory, status.Memory)
		if status.SupervisorMemory >= soakSupervisor && !raceEnabled { // ThreadSanitizer needs more for itself
			t.Errorf("after %d reloads the supervisor takes %d bytes", len(s.memory), status.SupervisorMemory)
		}
		if i == s.settled {
			s.files = s.awaitAlone()
		}
		if (i+1)%soakEveryReport == 0 || i+1 == reloads {
			s.report()
		}
	}
	s.check()
}

func newSoak(t *testing.T, budget int, args ...string) *soak {
	t.Helper()
	s := &soak{t: t, place: newPlace(t), budget: budget, settled: min(soakSettled, *soakReloads/2-1), images: map[string]*cloner{}, begin: time.Now()}
	for _, name := range []string{"counter", "wordfreq"} {
		image := newSource(t, name).build()
		s.images[name] = newCloner(t, image, "example.com/"+name)
		install(t, image, filepath.Join(s.place.plugins, name+".so"))
	}
	s.daemon = s.place.start(t, append(args, "--plugins", s.place.plugins)...)
	s.loads = map[string]*load{
		"count": startLoad(3, *steady, get(s.url+"/counter")),
		"post":  startLoad(2, *steady, post(s.url+"/wordfreq", "the quick fox")),
		"read":  startLoad(1, *steady, get(s.url+"/wordfreq?top=1")),
	}
	return s
}

// reload brings a new image, by turns in both ways in which one comes: the counter's by a deploy, that of wordfreq by a
// change of the watched file.
func (s *soak) reload(i int) {
	s.t.Helper()
	name := "counter"
	if i%2 == 1 {
		name = "wordfreq"
	}
	image := s.images[name].clone(s.t)
	id := short(s.t, image)
	mark := s.mark()
	if name == "counter" {
		if _, err := s.client.Deploy(patient(s.t), control.DeployRequest{Images: map[string]string{name: image}}); err != nil {
			s.t.Fatalf("reload %d: %v; the log:\n%s", i, err, s.log())
		}
	} else {
		install(s.t, image, filepath.Join(s.place.plugins, name+".so"))
	}
	l := s.await(mark, func(l line) bool { return l.text("msg") == "reloaded" && l.text("to") == id })
	total, _ := l["total"].(float64)
	s.took = append(s.took, time.Duration(total))
	if err := os.Remove(image); err != nil { // the store has it
		s.t.Fatal(err)
	}
}

// count returns how many lines of the log have that message.
func (d *daemon) count(message string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if l.text("msg") == message {
			n++
		}
	}
	return n
}

// longestOf returns the longest time that some phases took together, of all lines of the log with that message.
func (d *daemon) longestOf(message string, phases ...string) (longest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if l.text("msg") != message {
			continue
		}
		var sum time.Duration
		for _, phase := range phases {
			took, _ := l[phase].(float64)
			sum += time.Duration(took)
		}
		longest = max(longest, sum)
	}
	return longest
}

// report logs how it went since the last report.
func (s *soak) report() {
	answered, failed := 0, 0
	for _, l := range s.loads {
		a, f, longest := l.soFar()
		answered, failed, s.longest = answered+a, failed+f, max(s.longest, longest)
	}
	s.t.Logf("%5.0f s: %d reloads, %d handovers, %d requests, %d failed, longest request %.0f ms; since the last report: "+
		"median reload %.1f ms, memory %d MiB, at most %d",
		time.Since(s.begin).Seconds(), len(s.took), s.count("handover"), answered, failed, milliseconds(s.longest),
		milliseconds(median(s.took[s.shown:])), median(s.memory[s.shown:])>>20, slices.Max(s.memory[s.shown:])>>20)
	s.shown = len(s.took)
}

// check ends the load and looks at what is left.
func (s *soak) check() {
	t := s.t
	counted := s.loads["count"].end(t)
	written := s.loads["post"].end(t)
	s.loads["read"].end(t)
	checkCounted(t, counted)
	if total, _ := s.get("/counter/total"); total != strconv.Itoa(len(counted)) {
		t.Errorf("the counter's total is %s after %d answers", total, len(counted))
	}
	top, _ := s.get("/wordfreq?top=4")
	want := fmt.Sprintf("count: %d\n", len(written))
	if n := strings.Count(top+"\n", want); n != 3 || strings.Count(top, "word: ") != 3 {
		t.Errorf("after %d texts with three words the words are\n%s", len(written), top)
	}

	handovers := s.count("handover")
	if least := len(s.took)/(s.budget+1) - 1; handovers < least {
		t.Errorf("%d handovers in %d reloads with a budget of %d old generations, want at least %d", handovers, len(s.took), s.budget, least)
	}
	for _, l := range s.lines {
		if l.text("level") == "ERROR" {
			t.Errorf("logged: %v", l)
		}
	}
	turn := s.budget + 1 // over so many reloads memory goes up, and down with a handover
	level, final := median(s.memory[s.settled:s.settled+turn]), median(s.memory[len(s.memory)-turn:])
	if len(s.memory) >= 80 && float64(final) > soakMemory*float64(level) {
		t.Errorf("the server has %d MiB, and had %d after %d reloads", final>>20, level>>20, s.settled)
	}
	window := min(soakWindow, len(s.took)/2)
	first, last := s.took[:window], s.took[len(s.took)-window:]
	if slower := float64(median(last)) / float64(median(first)); window == soakWindow && slower > soakSlower {
		t.Errorf("the last reloads take %.2f times as long as the first", slower)
	}
	t.Logf("callers waited at most %.0f ms for a reload, %.0f ms for a handover",
		milliseconds(s.longestOf("reloaded", "drain", "move", "start", "flip")), milliseconds(s.longestOf("handover", "drain", "state", "commit")))
	files := s.awaitAlone()
	if files > s.files {
		t.Errorf("the supervisor has %d open files, and had %d", files, s.files)
	}
	t.Logf("%d reloads, %d handovers in %.0f s; memory %d MiB after %d reloads, %d MiB at the end; "+
		"median reload of the first %d: %.1f ms, of the last %d: %.1f ms; the supervisor's open files: %d, %d; the store: %d MiB",
		len(s.took), handovers, time.Since(s.begin).Seconds(), level>>20, s.settled, final>>20,
		len(first), milliseconds(median(first)), len(last), milliseconds(median(last)), s.files, files, diskUse(t, s.place.store)>>20)
	s.terminate()
	if left := s.place.processes(); len(left) > 0 {
		t.Errorf("the server has ended, and these of its processes have not: %v", left)
	}
}

// awaitAlone waits until the server has no processes but supervisor and worker, and returns how many files the supervisor
// has open then.
func (s *soak) awaitAlone() (files int) {
	s.t.Helper()
	var alone control.Status
	awaitThat(s.t, "supervisor and worker are the only processes", func() bool {
		alone = s.status()
		own := []int{alone.PID, alone.Worker.PID}
		others := slices.DeleteFunc(s.place.processes(), func(pid int) bool { return slices.Contains(own, pid) })
		spare := len(others) == 1 && alone.SpareProbe != nil && len(procs(func(q proc) bool { return q.pid == others[0] && q.parent == alone.Worker.PID })) == 1
		return len(alone.Draining) == 0 && (len(others) == 0 || spare) &&
			len(zombies(alone.PID)) == 0 && len(zombies(alone.Worker.PID)) == 0
	})
	return openFiles(s.t, alone.PID)
}

// processes returns the live processes in the place, in order.
func (p place) processes() (pids []int) {
	for _, q := range procs(func(q proc) bool {
		dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", q.pid))
		return err == nil && dir == p.dir && !q.zombie
	}) {
		pids = append(pids, q.pid)
	}
	slices.Sort(pids)
	return pids
}

// diskUse returns the size of all files below a directory.
func diskUse(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
