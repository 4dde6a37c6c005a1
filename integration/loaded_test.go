package integration

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sockets/socketstest"
)

// loadedServer is a server with clients whose handovers are disturbed. Beside hello and counter it has the plugin exclusive,
// which reports when two processes serve state at once. It can be started again.
type loadedServer struct {
	*daemon
	t     testing.TB
	place place
	rnd   *rand.Rand
	args  []string

	violations string    // a file
	events     *eventLog // of the plugin exclusive

	clients *clients
	counted atomic.Int64 // the highest count that a client was answered
}

// startLoaded starts the server, on a port that stays free between two servers.
// Each step of a handover lasts for stretch longer than it has to.
func startLoaded(t testing.TB, stretch time.Duration, args ...string) *loadedServer {
	t.Helper()
	seed := cmp.Or(*killSeed, rand.Uint64())
	t.Logf("-kill-seed %d", seed)
	p := newPlace(t)
	s := &loadedServer{
		t: t, place: p, rnd: rand.New(rand.NewPCG(seed, 0)),
		violations: filepath.Join(p.dir, "violations"), events: newEventLog(t, filepath.Join(p.dir, "events")),
	}
	s.args = append([]string{"run", "--listen", socketstest.Free(t), "--store", p.store, "--control", p.control,
		"--log-format", "json"}, args...)
	for name, source := range map[string]*source{
		"counter": newSource(t, "counter"), "hello": newSource(t, "hello"),
		"exclusive": newSourceOf(t, "exclusive", filepath.Join("testdata", "exclusive")),
	} {
		file := filepath.Join(p.plugins, name+".so")
		install(t, source.build(), file)
		plugin := name + "=" + file
		if name == "exclusive" {
			for key, value := range map[string]string{
				"lock": filepath.Join(p.dir, "lock"), "violations": s.violations, "events": s.events.pipe.Name(),
				"fill": "20000", "stretch": stretch.String(),
			} {
				plugin += ",arg." + key + "=" + value
			}
		}
		s.args = append(s.args, "--plugin", plugin)
	}
	s.start()
	ignore := func(string) {}
	s.clients = startClients(
		getting(s.url+"/counter", s.noteCount), getting(s.url+"/counter", s.noteCount),
		getting(s.url+"/exclusive?hold=20ms", ignore), getting(s.url+"/exclusive", ignore), getting(s.url+"/hello", ignore),
		inHalves(strings.TrimPrefix(s.url, "http://")),
	)
	t.Cleanup(s.clients.end)
	t.Cleanup(func() { // after a failure something may be left that nobody else ends, and clients wait for
		for _, pid := range p.strays(0) {
			process(pid).Kill()
		}
	})
	return s
}

func (s *loadedServer) start() {
	s.t.Helper()
	s.daemon = startServer(s.t, s.place, server, s.args...)
}

// noteCount notes an answer of the counter.
func (s *loadedServer) noteCount(body string) {
	n, _ := strconv.ParseInt(body, 10, 64)
	for have := s.counted.Load(); n > have && !s.counted.CompareAndSwap(have, n); have = s.counted.Load() {
	}
}

// checkCount fails the test if the counter has forgotten what a client was answered.
func (s *loadedServer) checkCount(answered int64, when string) {
	s.t.Helper()
	total, _ := s.get("/counter/total")
	if n, _ := strconv.ParseInt(total, 10, 64); n < answered {
		s.fatal("%s: %d calls were answered, and only %d are counted", when, answered, n)
	}
}

// fatal fails the test with all that is known.
func (s *loadedServer) fatal(format string, args ...any) {
	s.t.Helper()
	events, _, _ := s.events.since(0)
	s.t.Fatalf("%s\nviolations:\n%s\nevents:\n%s\nlog:\n%s", fmt.Sprintf(format, args...), s.violated(),
		strings.Join(events, "\n"), s.log())
}

// violated returns what the plugin exclusive has written down as violations.
func (s *loadedServer) violated() string {
	b, err := os.ReadFile(s.violations)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

// supervisor returns the pid of the server.
func (s *loadedServer) supervisor() int { return s.cmd.Process.Pid }

// awaitOneWorker waits until the server has one worker and returns its pid.
func (s *loadedServer) awaitOneWorker() (worker int, after time.Duration) {
	s.t.Helper()
	begin := time.Now()
	timeout := time.After(patience)
	for {
		mark := s.mark()
		c := children(s.supervisor())
		if len(c) == 1 {
			return c[0], time.Since(begin)
		}
		select {
		case <-anyEnded(c...):
		case <-s.next(mark): // a worker that serves is logged
		case <-timeout:
			s.fatal("the server has the processes %v, not one worker", c)
		}
	}
}

// awaitService waits for an answer of each plugin.
func (s *loadedServer) awaitService() time.Duration {
	s.t.Helper()
	begin := time.Now()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/hello", "/counter", "/exclusive"} {
		for {
			_, _, err := send(client, get(s.url+path))
			if err == nil {
				break
			}
			if time.Since(begin) > patience {
				s.fatal("no service on %s for %v: %v", path, patience, err)
			}
		}
	}
	return time.Since(begin)
}

// check looks for what must never be.
func (s *loadedServer) check(worker int) {
	s.t.Helper()
	if s.violated() != "" {
		s.fatal("two processes served state")
	}
	if z := zombies(s.supervisor()); len(z) > 0 {
		awaitThat(s.t, fmt.Sprintf("the server waits for the zombies %v", z), func() bool { return len(zombies(s.supervisor())) == 0 })
	}
	if strays := s.place.strays(s.supervisor()); len(strays) > 0 {
		s.fatal("the processes %v belong to no server", strays)
	}
	awaitThat(s.t, fmt.Sprintf("status has worker %d alone", worker), func() bool { // it learns of an end a moment later
		status, err := s.client.Status(patient(s.t))
		if err != nil {
			s.fatal("status: %v", err)
		}
		return status.Worker != nil && status.Worker.PID == worker && len(status.Draining) == 0
	})
}

// handover hands over undisturbed, and returns how long that took.
func (s *loadedServer) handover() time.Duration {
	s.t.Helper()
	begin := time.Now()
	h, err := s.client.Handover(patient(s.t), control.HandoverRequest{Why: "test"})
	if err != nil || h.Warning != "" {
		s.fatal("an undisturbed handover: %+v, %v", h, err)
	}
	return time.Since(begin)
}
