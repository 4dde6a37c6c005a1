package integration

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	killCount = flag.Int("kills", 0, "kill at least so many processes, at random moments of handovers; 0: each once in each phase")
	killSeed  = flag.Uint64("kill-seed", 0, "what the moments of those kills come from (0: another one each time)")
)

// disturbance is what is done to the processes of one handover: "old worker", "new worker" and "supervisor".
type disturbance struct {
	kill      []string // one after the other, at random moments
	stopFirst bool     // each gets SIGSTOP first
	freeze    string   // gets SIGSTOP and nothing else
}

func (d disturbance) String() string {
	text := strings.Join(d.kill, ", ")
	if d.stopFirst {
		text = "stop first: " + text
	}
	if d.freeze != "" {
		text = d.freeze + " frozen: " + text
	}
	return text
}

// each kills one process.
var each = []disturbance{{kill: []string{"old worker"}}, {kill: []string{"new worker"}}, {kill: []string{"supervisor"}}}

// disturbances are what many kills take in turn.
var disturbances = slices.Concat(each, []disturbance{
	{kill: []string{"old worker"}},
	{kill: []string{"new worker"}},
	{kill: []string{"old worker", "new worker"}},
	{kill: []string{"supervisor"}},
	{kill: []string{"old worker"}, stopFirst: true},
	{kill: []string{"new worker"}, stopFirst: true},
	{kill: []string{"supervisor", "old worker"}},
	{kill: []string{"new worker", "supervisor"}},
	{kill: []string{"supervisor"}, stopFirst: true},
	{kill: []string{"new worker", "old worker"}},
	{kill: []string{"supervisor"}, freeze: "old worker"},
	{kill: []string{"old worker", "supervisor"}, freeze: "new worker"},
	{kill: []string{"supervisor"}, freeze: "new worker"},
	{kill: []string{"new worker", "old worker"}, stopFirst: true},
})

// phaseShares are the shares that the phases have in a handover, 1/n.
var phaseShares = []time.Duration{2, 20, 8, 20, 10}

// pause waits for a random part of d: the moments of the kills.
func (s *loadedServer) pause(d time.Duration) { time.Sleep(time.Duration(s.rnd.Int64N(int64(d) + 1))) }

// hit is one kill that met a process.
type hit struct {
	what  string
	phase string
}

// disturb begins a handover and disturbs it, at a random moment from the beginning of a phase on.
func (s *loadedServer) disturb(d disturbance, phase int, usual time.Duration) (
	hits []hit, killed map[string]bool, answer <-chan error,
) {
	s.t.Helper()
	s.awaitOneWorker() // the events of the handover before are over
	_, offset, _ := s.events.since(0)
	mark := s.mark()
	oldWorker, answer := s.beginHandover(phase)
	processes := map[string]*os.Process{"supervisor": s.cmd.Process, "old worker": process(oldWorker)}
	s.pause(usual / phaseShares[phase])
	killed = map[string]bool{}
	find := func(name string) *os.Process {
		if name == "new worker" {
			// It is there soon, unless the first kill has ended the handover.
			awaitThat(s.t, "there is a new worker", func() bool {
				for _, pid := range children(s.supervisor()) {
					if pid != oldWorker {
						processes[name] = process(pid)
						return true
					}
				}
				return len(killed) > 0
			})
		}
		return processes[name]
	}
	if p := find(d.freeze); p != nil {
		p.Signal(syscall.SIGSTOP)
	}
	for i, name := range d.kill {
		if i > 0 {
			s.pause(usual / 10)
		}
		p := find(name)
		if p == nil {
			continue
		}
		hit := hit{d.String(), s.phase(oldWorker, offset, mark)}
		if d.stopFirst {
			p.Signal(syscall.SIGSTOP)
			s.pause(usual / 4)
		}
		if p.Kill() == nil { // else it has ended already
			killed[name] = true
			hits = append(hits, hit)
		}
	}
	return hits, killed, answer
}

// process returns a handle of a process, which stays that process's when its pid is reused.
func process(pid int) *os.Process {
	p, _ := os.FindProcess(pid) // never an error on unix
	return p
}

// TestKillHandover kills the processes of a server in handovers: each once in each phase, or with -kills all kinds of them at
// random moments. What must be true after each: no two processes have served state, service comes back with the next worker or
// the next server, one worker is left, and every process belongs to a server. A server whose supervisor alone was killed has
// lost nothing.
func TestKillHandover(t *testing.T) {
	if testing.Short() {
		t.Skip("TestKill and TestTerminateInHandover have the most of it; make kills runs this, forty handovers or more")
	}
	t.Parallel()
	s := startLoaded(t, 15*time.Millisecond)
	var usual durations
	for range 3 {
		usual = append(usual, s.handover())
		s.awaitOneWorker()
	}
	t.Logf("handovers that nobody disturbs: %v", usual)
	kills := kills{loadedServer: s, usual: usual.median(), hits: map[hit]int{}}
	if *killCount == 0 {
		for phase := range handoverPhases {
			for _, d := range each {
				kills.round(d, phase)
			}
		}
	}
	for n := 0; kills.total < *killCount; n++ {
		kills.round(disturbances[n%len(disturbances)], n%len(handoverPhases))
	}
	kills.report()
	s.clients.end()
	s.terminate() // the last handover's checkpoints may be on their way
	checkLeftovers(t, s.place)
}

// kills are the rounds of TestKillHandover.
type kills struct {
	*loadedServer
	usual time.Duration // of a handover
	hits  map[hit]int
	total int

	back, alone, ended, again durations
}

// round disturbs one handover, waits until all is well again, and has another one that nobody disturbs.
func (k *kills) round(d disturbance, phase int) {
	k.t.Helper()
	hits, killed, answer := k.disturb(d, phase, k.usual)
	for _, h := range hits {
		k.hits[h]++
		k.total++
	}
	if killed["supervisor"] {
		k.restart(fmt.Sprintf("%v in %v", d, hits), len(killed) == 1 && d.freeze == "")
	} else {
		k.back = append(k.back, k.awaitService())
	}
	select {
	case <-answer:
	case <-time.After(patience):
		k.fatal("%v: the request for a handover has no answer", d)
	}
	_, after := k.awaitOneWorker()
	if !killed["supervisor"] {
		k.alone = append(k.alone, after)
	}
	well := time.Now()

	// The next handover has to succeed, without harm to anybody. It also ends the row of crashes, which would be blamed on a plugin.
	k.handover()
	worker, _ := k.awaitOneWorker()
	if errs := k.clients.since(well); len(errs) > 0 {
		k.fatal("%v in %v: %d requests failed after all was well again, the first: %v", d, hits, len(errs), errs[0])
	}
	k.check(worker)
	k.counted.Store(0) // after a kill of a worker the count may be an earlier one
}

// restart starts the next server after the supervisor of the last was killed. It serves only when what is left of that has
// ended. If no worker was killed, nothing may be lost.
func (k *kills) restart(what string, complete bool) {
	k.t.Helper()
	answered := k.counted.Load()
	began := time.Now()
	old := k.place.strays(0)
	over := make(chan time.Duration, 1)
	go func() {
		for _, pid := range old {
			<-anyEnded(pid)
		}
		over <- time.Since(began)
	}()
	k.start()
	k.again = append(k.again, time.Since(began))
	select {
	case took := <-over:
		k.ended = append(k.ended, took)
	case <-time.After(patience):
		k.fatal("%s: of the processes %v some haven't ended", what, old)
	}
	if complete {
		k.checkCount(answered, what)
	}
}

// report logs what was hit, and fails the test if many kills have left out a phase.
func (k *kills) report() {
	for _, phase := range handoverPhases {
		var row []string
		total := 0
		for h, n := range k.hits {
			if h.phase == phase {
				total += n
				row = append(row, fmt.Sprintf("%s %d", h.what, n))
			}
		}
		slices.Sort(row)
		k.t.Logf("killed in %s: %d (%s)", phase, total, strings.Join(row, "; "))
		if total == 0 && k.total >= 100 {
			k.t.Errorf("no kill in %s: the moments are badly chosen", phase)
		}
	}
	k.t.Logf("service back: %v", k.back)
	k.t.Logf("then one worker: %v", k.alone)
	k.t.Logf("workers without a supervisor ended: %v", k.ended)
	k.t.Logf("the next server served: %v", k.again)
}

// durations are of one kind.
type durations []time.Duration

func (d durations) median() time.Duration { return median(d) }

func (d durations) String() string {
	if len(d) == 0 {
		return "none"
	}
	most := slices.Max(d)
	return fmt.Sprintf("%d times, median %v, at most %v", len(d), d.median().Round(time.Millisecond), most.Round(time.Millisecond))
}

// checkLeftovers looks for temporary files in the store of a server.
func checkLeftovers(t testing.TB, p place) {
	t.Helper()
	err := filepath.WalkDir(p.store, func(path string, _ os.DirEntry, err error) error {
		if name := filepath.Base(path); err == nil && (strings.HasPrefix(name, ".") || strings.Contains(name, "tmp")) {
			t.Errorf("left in the store: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
