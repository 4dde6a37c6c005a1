package integration

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost"
)

var (
	waitFor     = flag.Duration("wait-for", 2*time.Second, "how long TestCheckpointWaits measures the waits of callers, for each kind of state")
	waitEntries = flag.Int("wait-entries", 20_000, "how many entries the states of TestCheckpointWaits and TestRollbackWaits have")
	waitSize    = flag.Int("wait-size", 0, "how many bytes of a []byte each entry has besides, in TestCheckpointWaits")
)

// TestCheckpointWaits measures how long callers wait for anything while checkpoints are taken all the time: of a keep.Map, and
// of a Go map whose copy may or may not be finished in time. What the host makes them wait is its own account; the rest is the
// machine's and the Go runtime's, which calls of a plugin without state in the same process show as well.
func TestCheckpointWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures; TestKeptMap shows that it works")
	}
	for _, kind := range []string{"keep.Map", "Go map"} {
		src := newSourceOf(t, "tally", filepath.Join("testdata", "tally"))
		if kind == "Go map" {
			src.toGoMap()
		}
		if *waitSize > 0 {
			src.edit("tally.go", "	Pad   [64]byte\n", "	Pad   [64]byte\n	Data  []byte\n")
			src.edit("tally.go", "e.Name = key\n", fmt.Sprintf("e.Name = key\n	if e.Data == nil {\n		e.Data = bytes.Repeat([]byte(key[:1]), %d)\n	}\n", *waitSize))
			src.edit("tally.go", "	\"context\"\n", "	\"bytes\"\n	\"context\"\n")
		}
		p := newPlace(t)
		p.env = append(p.env, "GODEBUG=gctrace=1")
		install(t, src.build(), filepath.Join(p.plugins, "tally.so"))
		install(t, newSource(t, "hello").build(), filepath.Join(p.plugins, "hello.so"))
		d := p.start(t, "--plugins", p.plugins, "--checkpoints", (*waitFor / 20).String(), "--state-limit", fmt.Sprint(4<<30))
		d.get(fmt.Sprintf("/tally?fill=%d", *waitEntries))
		pid := d.status().Worker.PID
		mark, starved := d.mark(), waitedForProcessors(pid)
		m := measureWaits(t, d, *waitFor)
		starved = waitedForProcessors(pid) - starved

		t.Logf("%s, %d entries, %d bytes more in each, %v; worker %.0f MiB, at most %.0f MiB", kind, *waitEntries, *waitSize, *waitFor,
			float64(resident(pid, "VmRSS"))/(1<<20), float64(resident(pid, "VmHWM"))/(1<<20))
		t.Logf("calls of the plugin with the state:  %v", m.stateful)
		t.Logf("calls of one without, in between:    %v", m.stateless)
		t.Logf("a timer of the test's own: at most %v late; the worker's threads waited %v for a processor", m.late, starved)
		t.Logf("garbage collections of the worker: %v", d.collections(mark))
		tally := d.plugin("tally")
		c, held := tally.Checkpoint, tally.Held
		if c == nil {
			t.Fatal("no checkpoints")
		}
		t.Logf("checkpoints: %d attempts, %d of them failed; the gate was shut %d times, for at most %v; callers waited at it for at most %v",
			len(m.attempts), m.failed, held.Times, held.Longest, m.waited)
		t.Logf("the last checkpoint: %.1f MB, took %v, held %v; failed: %+v", float64(c.Bytes)/1e6, c.Took, c.Held, c.Failed)
		if kind == "keep.Map" && (c.Failed != nil || c.Written.IsZero() || held.Times != 0) {
			t.Errorf("callers were held back: %+v; the checkpoint is %+v", held, c)
		}
		if held.Longest > time.Second { // 50 ms, and what the process waited for a processor
			t.Errorf("callers were held back: %+v", held)
		}
		d.terminate()
	}
}

// series are the durations of calls.
type series []time.Duration

func (s series) String() string {
	if len(s) == 0 {
		return "none"
	}
	slices.Sort(s)
	at := func(share float64) time.Duration { return s[int(share*float64(len(s)-1))].Round(10 * time.Microsecond) }
	return fmt.Sprintf("%d, p50 %v, p99.9 %v, max %v", len(s), at(0.5), at(0.999), at(1))
}

// waits is what measureWaits has measured.
type waits struct {
	stateful, stateless series
	late                time.Duration // how late a timer in the test's process was, at most

	// From the host's status: the attempts at checkpoints that were seen, how many failed, and how long a caller waited for one
	// of them at most.
	attempts map[time.Time]bool
	failed   int
	waited   time.Duration
}

// measureWaits makes calls, one at a time from each of two clients, in turns of tally and hello.
func measureWaits(t *testing.T, d *daemon, lasts time.Duration) *waits {
	t.Helper()
	m := &waits{attempts: map[time.Time]bool{}}
	var mu sync.Mutex
	var clients sync.WaitGroup
	end := time.Now().Add(lasts)
	call := func(method, path string) time.Duration {
		begun := time.Now()
		r, err := http.NewRequest(method, d.url+path, nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		answer, err := impatient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("answer %s", answer.Status)
		}
		return time.Since(begun)
	}
	for c := range 2 {
		clients.Go(func() {
			var with, without series
			for i := c; time.Now().Before(end) && !t.Failed(); i += 2 {
				with = append(with, call("POST", fmt.Sprintf("/tally/%d", i%*waitEntries)))
				without = append(without, call("GET", "/hello"))
			}
			mu.Lock()
			defer mu.Unlock()
			m.stateful, m.stateless = append(m.stateful, with...), append(m.stateless, without...)
		})
	}
	clients.Go(func() {
		const pause = time.Millisecond
		for time.Now().Before(end) {
			begun := time.Now()
			time.Sleep(pause) // what is measured is how much longer it takes
			m.late = max(m.late, time.Since(begun)-pause)
		}
	})
	looks := time.NewTicker(*waitFor / 200) // ten in an interval
	defer looks.Stop()
	for time.Now().Before(end) {
		m.look(d.plugin("tally").Checkpoint)
		<-looks.C
	}
	clients.Wait()
	return m
}

// look notes the attempt that a status shows.
func (m *waits) look(c *sohost.CheckpointStatus) {
	if c == nil {
		return
	}
	at := c.Written
	if c.Failed != nil {
		at = c.Failed.Last
	}
	if at.IsZero() || m.attempts[at] {
		return
	}
	m.attempts[at] = true
	if c.Failed != nil {
		m.failed++
	} else if c.Waited != nil {
		m.waited = max(m.waited, c.Waited.Max)
	}
}

// resident returns how much memory a process has resident, or has had at most, in bytes.
func resident(pid int, which string) (kilobytes int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(b), which+":")
	fmt.Sscan(after, &kilobytes)
	return kilobytes << 10
}

// waitedForProcessors returns how long the threads of a process have waited for a processor, all together.
func waitedForProcessors(pid int) (all time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		b, _ := os.ReadFile(file)
		var ran, waited time.Duration
		fmt.Sscan(string(b), &ran, &waited)
		all += waited
	}
	return all.Round(time.Millisecond)
}

// collections says how many garbage collections of the worker the log shows after a mark, and how long they took at most. Those of
// the supervisor, whose heap is small, aren't counted.
func (d *daemon) collections(mark int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, longest, stopped := 0, 0.0, 0.0
	for _, l := range d.lines[mark:] {
		var number, heap int
		var begun, sweep, marking, end float64
		var share, cpu string
		if _, err := fmt.Sscanf(l.text("msg"), "gc %d @%fs %s %f+%f+%f ms clock, %s ms cpu, %d->", &number, &begun, &share,
			&sweep, &marking, &end, &cpu, &heap); err == nil && heap > 8 {
			n, longest, stopped = n+1, max(longest, sweep+marking+end), max(stopped, sweep, end)
		}
	}
	return fmt.Sprintf("%d, the longest took %.0f ms; all calls were stopped for at most %.1f ms", n, longest, stopped)
}
