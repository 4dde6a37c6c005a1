package integration

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

var (
	killCount = flag.Int("kills", 100, "how many processes the test of handovers kills, about two in a second")
	killSeed  = flag.Uint64("kill-seed", 0, "what the moments of those kills come from (0: another one each time)")
)

// soon bounds how long service may be gone after a kill, and how long what is left of a server may live on: a new server
// waits for 20 s.
const soon = 15 * time.Second

// trial is a server under load that has the plugin sole, beside two that are in any server.
type trial struct {
	t     testing.TB
	place place
	d     *daemon
	rnd   *rand.Rand
	args  []string

	violations string   // a file
	events     *journal // what sole tells

	load *trialLoad
}

// newTrial starts the server, on a port that outgoing connections don't get, so that it stays free between two servers.
func newTrial(t testing.TB, stretch time.Duration, args ...string) *trial {
	t.Helper()
	seed := cmp.Or(*killSeed, rand.Uint64())
	t.Logf("-kill-seed %d", seed)
	p := newPlace(t)
	r := &trial{
		t: t, place: p, rnd: rand.New(rand.NewPCG(seed, 0)),
		violations: filepath.Join(p.dir, "violations"), events: newJournal(t, filepath.Join(p.dir, "events")),
	}
	port := 0
	for port == 0 {
		try := 20_000 + r.rnd.IntN(10_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", try)); err == nil {
			l.Close()
			port = try
		}
	}
	r.args = append([]string{"run", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--store", p.store, "--control", p.control,
		"--log-format", "json"}, args...)
	for name, source := range map[string]*source{
		"counter": newSource(t, "counter"), "hello": newSource(t, "hello"), "sole": newSourceOf(t, "sole", filepath.Join("testdata", "sole")),
	} {
		file := filepath.Join(p.plugins, name+".so")
		install(t, source.build(), file)
		plugin := name + "=" + file
		if name == "sole" {
			for key, value := range map[string]string{
				"lock": filepath.Join(p.dir, "sole.lock"), "violations": r.violations, "events": r.events.pipe.Name(), "fill": "20000", "stretch": stretch.String(),
			} {
				plugin += ",arg." + key + "=" + value
			}
		}
		r.args = append(r.args, "--plugin", plugin)
	}
	r.start()
	r.load = startTrialLoad(r.d.url)
	t.Cleanup(r.load.end)
	t.Cleanup(func() { // after a failure something may be left that nobody else ends, and clients wait for
		for _, pid := range p.strays(0) {
			handle(pid).Kill()
		}
	})
	return r
}

func (r *trial) start() {
	r.t.Helper()
	r.d = startServer(r.t, r.place, server, r.args...)
}

// file is what stands in a file that sole writes.
func (r *trial) file(name string) string {
	b, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return string(b)
}

// fatal fails the test with all that is known.
func (r *trial) fatal(format string, args ...any) {
	r.t.Helper()
	events, _, _ := r.events.since(0)
	r.t.Fatalf("%s\nviolations:\n%s\nevents:\n%s\nlog:\n%s", fmt.Sprintf(format, args...), r.file(r.violations), strings.Join(events, "\n"), r.d.log())
}

// supervisor is the pid of the server.
func (r *trial) supervisor() int { return r.d.cmd.Process.Pid }

// awaitOne waits until the server has one worker and tells which.
func (r *trial) awaitOne() (worker int, after time.Duration) {
	r.t.Helper()
	begin := time.Now()
	timeout := time.After(soon)
	for {
		mark := r.d.mark()
		c := children(r.supervisor())
		if len(c) == 1 {
			return c[0], time.Since(begin)
		}
		select {
		case <-anyEnded(c...):
		case <-r.d.next(mark): // it says so when a worker serves
		case <-timeout:
			r.fatal("the server has the processes %v, not one worker", c)
		}
	}
}

// awaitService waits for an answer of each plugin.
func (r *trial) awaitService() time.Duration {
	r.t.Helper()
	begin := time.Now()
	for _, path := range []string{"/hello", "/counter", "/sole"} {
		for {
			client := &http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}
			_, _, err := send(client, get(r.d.url+path))
			if err == nil {
				break
			}
			if time.Since(begin) > soon {
				r.fatal("no service on %s for %v: %v", path, soon, err)
			}
		}
	}
	return time.Since(begin)
}

// check looks for what must never be.
func (r *trial) check(worker int) {
	r.t.Helper()
	if v := r.file(r.violations); v != "" {
		r.fatal("two processes served state")
	}
	if z := zombies(r.supervisor()); len(z) > 0 {
		awaitThat(r.t, fmt.Sprintf("wait for the zombies %v", z), soon, func() bool { return len(zombies(r.supervisor())) == 0 })
	}
	if strays := r.place.strays(r.supervisor()); len(strays) > 0 {
		r.fatal("the processes %v are nobody's", strays)
	}
	awaitThat(r.t, fmt.Sprintf("tell of worker %d alone", worker), soon, func() bool { // it hears of an end a moment later
		s, err := r.d.client.Status(context.Background())
		if err != nil {
			r.fatal("status: %v", err)
		}
		return s.Worker != nil && s.Worker.PID == worker && len(s.Draining) == 0
	})
}

// handover is one that nobody disturbs.
func (r *trial) handover() time.Duration {
	r.t.Helper()
	begin := time.Now()
	h, err := r.d.client.Handover(context.Background(), control.HandoverRequest{Why: "test"})
	if err != nil || h.Warning != "" {
		r.fatal("an undisturbed handover: %+v, %v", h, err)
	}
	return time.Since(begin)
}

// trialLoad keeps clients going. Their requests may fail while a process was killed and no other serves yet.
type trialLoad struct {
	stop context.CancelFunc
	done sync.WaitGroup

	counted atomic.Int64 // the highest count that was acknowledged

	mu       sync.Mutex // guards what follows
	answered int
	failures []failure
}

type failure struct {
	begun time.Time // the request
	err   error
}

func startTrialLoad(url string) *trialLoad {
	ctx, stop := context.WithCancel(context.Background())
	l := &trialLoad{stop: stop}
	for _, path := range []string{"/counter", "/counter", "/sole?hold=20ms", "/sole", "/hello"} {
		client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
		l.client(ctx, func() error {
			body, _, err := send(client, get(url+path))
			if err == nil && path == "/counter" {
				n, _ := strconv.ParseInt(body, 10, 64)
				for have := l.counted.Load(); n > have && !l.counted.CompareAndSwap(have, n); have = l.counted.Load() {
				}
			}
			return err
		})
	}
	l.client(ctx, func() error { return halves(strings.TrimPrefix(url, "http://")) })
	return l
}

// halves sends a request in two halves, so that a giver has to wait for its end.
func halves(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /hello HTTP/1.1\r\nHost: x\r\n"); err != nil {
		return err
	}
	time.Sleep(30 * time.Millisecond) // the pace of this client
	if _, err := io.WriteString(conn, "Connection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		err = fmt.Errorf("answer %q", answer)
	}
	return err
}

func (l *trialLoad) client(ctx context.Context, request func() error) {
	l.done.Go(func() {
		for ctx.Err() == nil {
			begun := time.Now()
			err := request()
			l.mu.Lock()
			if err != nil {
				l.failures = append(l.failures, failure{begun, err})
			} else {
				l.answered++
			}
			l.mu.Unlock()
			time.Sleep(steady)
		}
	})
}

// since are the failures of requests that were sent after a moment.
func (l *trialLoad) since(moment time.Time) (errs []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.failures {
		if f.begun.After(moment) {
			errs = append(errs, f.err)
		}
	}
	return errs
}

func (l *trialLoad) end() {
	l.stop()
	l.done.Wait()
}

// assault is what is done to one handover.
type assault struct {
	victims []string // one after the other, at random moments
	stop    bool     // SIGSTOP first
	frozen  string   // gets SIGSTOP and nothing else
}

func (a assault) String() string {
	if a.frozen != "" {
		return "stop " + a.frozen + ", kill " + strings.Join(a.victims, ", ")
	}
	if a.stop {
		return "stop and kill " + strings.Join(a.victims, ", ")
	}
	return "kill " + strings.Join(a.victims, ", ")
}

var assaults = []assault{
	{victims: []string{"giver"}},
	{victims: []string{"taker"}},
	{victims: []string{"supervisor"}},
	{victims: []string{"giver"}},
	{victims: []string{"taker"}},
	{victims: []string{"giver", "taker"}},
	{victims: []string{"supervisor"}},
	{victims: []string{"giver"}, stop: true},
	{victims: []string{"taker"}, stop: true},
	{victims: []string{"supervisor", "giver"}},
	{victims: []string{"taker", "supervisor"}},
	{victims: []string{"supervisor"}, stop: true},
	{victims: []string{"taker", "giver"}},
	{victims: []string{"supervisor"}, frozen: "giver"},
	{victims: []string{"giver", "supervisor"}, frozen: "taker"},
	{victims: []string{"supervisor"}, frozen: "taker"},
	{victims: []string{"taker", "giver"}, stop: true},
}

// handoverPhases are the phases that the events of sole tell apart.
var handoverPhases = []string{"prepare", "drain", "state", "start and commit", "publish and draining"}

// parts are the shares that the phases have in a handover, 1/n.
var parts = []time.Duration{2, 20, 8, 20, 10}

// phase is where a handover from the giver is, by the events from an offset on and the log from a mark on.
func (r *trial) phase(giver, offset, mark int) string {
	had := map[string]bool{}
	events, _, _ := r.events.since(offset)
	for _, event := range events {
		pid, what, _ := strings.Cut(event, " ")
		if pid != strconv.Itoa(giver) {
			what = "taker: " + what
		}
		had[what] = true
	}
	switch {
	case had["taker: serve"] || r.d.logged(mark, "handover"):
		return "publish and draining"
	case had["taker: start"]:
		return "start and commit"
	case had["stop"]:
		return "state"
	case had["taker: new"]:
		return "drain"
	}
	return "prepare"
}

// logged says whether a message was logged from a mark on.
func (d *daemon) logged(mark int, message string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.lines[mark:], func(l line) bool { return l.text("msg") == message })
}

// pause waits for a random part of d: the moments of the kills.
func (r *trial) pause(d time.Duration) { time.Sleep(time.Duration(r.rnd.Int64N(int64(d) + 1))) }

// hit is one kill that met a process.
type hit struct {
	what  string
	phase string
}

// disturb begins a handover and does to it what the assault says, at a random moment from the beginning of a phase on.
func (r *trial) disturb(a assault, aim int, usual time.Duration) (hits []hit, killed map[string]bool, answer <-chan error) {
	r.t.Helper()
	r.awaitOne() // the events of the handover before are over
	_, offset, _ := r.events.since(0)
	mark := r.d.mark()
	giver, answer := r.begin(aim)
	processes := map[string]*os.Process{"supervisor": r.d.cmd.Process, "giver": handle(giver)}
	r.pause(usual / parts[aim])
	killed = map[string]bool{}
	find := func(victim string) *os.Process {
		if victim == "taker" {
			// It is there soon, unless the first kill has ended the handover.
			awaitThat(r.t, "find the taker", soon, func() bool {
				for _, pid := range children(r.supervisor()) {
					if pid != giver {
						processes[victim] = handle(pid)
						return true
					}
				}
				return len(killed) > 0
			})
		}
		return processes[victim]
	}
	if p := find(a.frozen); p != nil {
		p.Signal(syscall.SIGSTOP)
	}
	for i, victim := range a.victims {
		if i > 0 {
			r.pause(usual / 10)
		}
		p := find(victim)
		if p == nil {
			continue
		}
		hit := hit{victim, r.phase(giver, offset, mark)}
		if a.stop {
			p.Signal(syscall.SIGSTOP)
			r.pause(usual / 4)
		}
		if p.Kill() == nil { // else it has ended already
			killed[victim] = true
			hits = append(hits, hit)
		}
	}
	return hits, killed, answer
}

// handle is of a process, and stays that process's.
func handle(pid int) *os.Process {
	p, _ := os.FindProcess(pid) // never an error on unix
	return p
}

// figures are durations of one kind.
type figures []time.Duration

func (f figures) String() string {
	if len(f) == 0 {
		return "none"
	}
	slices.Sort(f)
	return fmt.Sprintf("%d times, median %v, at most %v", len(f), f[len(f)/2].Round(time.Millisecond), f[len(f)-1].Round(time.Millisecond))
}

// TestKillHandover kills the processes of a server at random moments of handovers. What must be true after each: no two
// processes have served state, service comes back by itself or with the next server, one worker is left, and no process is
// nobody's. A server whose supervisor alone was killed has lost nothing.
func TestKillHandover(t *testing.T) {
	if raceEnabled {
		t.Skip("ThreadSanitizer can't tell what it finds in a server under this load, and ends it; see docs/facts.md")
	}
	r := newTrial(t, 15*time.Millisecond)
	var usual figures
	for range 5 {
		usual = append(usual, r.handover())
		r.awaitOne()
	}
	slices.Sort(usual)
	typical := usual[len(usual)/2]
	t.Logf("handovers that nobody disturbs: %v", usual)

	total, counts := 0, map[hit]int{}
	var back, alone, ended, again figures
	begin := time.Now()
	for round := 0; total < *killCount; round++ {
		a := assaults[round%len(assaults)]
		hits, killed, answer := r.disturb(a, round%len(handoverPhases), typical)
		for _, h := range hits {
			h.what = strings.TrimPrefix(a.String(), "kill ")
			counts[h]++
			total++
		}
		if killed["supervisor"] {
			counted := r.load.counted.Load()
			was := time.Now()
			over := make(chan time.Duration, 1)
			old := r.place.strays(0)
			go func() {
				for _, pid := range old {
					<-anyEnded(pid)
				}
				over <- time.Since(was)
			}()
			r.start()
			again = append(again, time.Since(was))
			ended = append(ended, <-over)
			if last := ended[len(ended)-1]; last > soon {
				r.fatal("%v: what was left of the server took %v to end", a, last)
			}
			if total, _ := r.d.get("/counter/total"); len(killed) == 1 && a.frozen == "" {
				if n, _ := strconv.ParseInt(total, 10, 64); n < counted {
					r.fatal("%v in %v: %d calls were acknowledged, and only %d are left", a, hits, counted, n)
				}
			}
		} else {
			back = append(back, r.awaitService())
		}
		select {
		case <-answer:
		case <-time.After(soon):
			r.fatal("%v: the request for a handover has no answer", a)
		}
		_, after := r.awaitOne()
		if !killed["supervisor"] {
			alone = append(alone, after)
		}
		settled := time.Now()

		// The next handover has to succeed, without harm to anybody. Crashes in a row would be taken for a plugin's fault besides.
		r.handover()
		worker, _ := r.awaitOne()
		if errs := r.load.since(settled); len(errs) > 0 {
			r.fatal("%v in %v: %d requests failed after all was well again, the first: %v", a, hits, len(errs), errs[0])
		}
		r.check(worker)
		r.load.counted.Store(0) // after a kill of a worker the count may be an earlier one
	}
	r.t.Logf("%d kills in %v", total, time.Since(begin).Round(time.Second))
	byPhase := map[string]int{}
	for _, phase := range handoverPhases {
		var row []string
		for h, n := range counts {
			if h.phase == phase {
				byPhase[phase] += n
				row = append(row, fmt.Sprintf("%s %d", h.what, n))
			}
		}
		slices.Sort(row)
		t.Logf("in %s: %d (%s)", phase, byPhase[phase], strings.Join(row, "; "))
		if byPhase[phase] == 0 && total >= 100 {
			t.Errorf("no kill in %s: the moments are badly chosen", phase)
		}
	}
	t.Logf("service back: %v", back)
	t.Logf("then one worker: %v", alone)
	t.Logf("workers without a supervisor ended: %v", ended)
	t.Logf("the next server served: %v", again)
	r.load.end()
	r.d.terminate() // the last handover's checkpoints may be on their way
	leftovers(t, r.place)
}

// leftovers looks for temporary files in the store of a server.
func leftovers(t testing.TB, p place) {
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
