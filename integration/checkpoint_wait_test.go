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
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost"
)

var (
	waitFor     = flag.Duration("wait-for", 2*time.Second, "how long TestCheckpointWaits measures the waits of callers, for each kind of state")
	waitEntries = flag.Int("wait-entries", 20_000, "how many entries the states of TestCheckpointWaits have")
)

// toGoMap changes tally so that it keeps a Go map instead of a keep.Map.
func (s *source) toGoMap() {
	for _, e := range [][2]string{
		{"ByKey keep.Map[string, entry]", "ByKey map[string]entry"},
		{"type tally struct{ keep.Of[state] }", "type tally struct {\n\tkeep.Of[state]\n\tmu sync.Mutex\n}"},
		{"	t.State().ByKey.Update(key, func(e entry, _ bool) entry {\n\t\te.Count++\n\t\te.Name = key\n\t\treturn e\n\t})",
			"	t.mu.Lock()\n\tdefer t.mu.Unlock()\n\tif t.State().ByKey == nil {\n\t\tt.State().ByKey = map[string]entry{}\n\t}\n" +
				"\te := t.State().ByKey[key]\n\te.Count++\n\te.Name = key\n\tt.State().ByKey[key] = e"},
		{"	e, _ := t.State().ByKey.Get(key)\n\treturn e.Count", "	t.mu.Lock()\n\tdefer t.mu.Unlock()\n\treturn t.State().ByKey[key].Count"},
		{"	for _, e := range t.State().ByKey.All() {", "	t.mu.Lock()\n\tdefer t.mu.Unlock()\n\tfor _, e := range t.State().ByKey {"},
		{"	\"strings\"\n", "	\"strings\"\n\t\"sync\"\n"},
	} {
		s.edit("tally.go", e[0], e[1])
	}
}

// TestKeptMap takes a state from a Go map into a keep.Map and back, into other images by adoption, and through a kill, while
// a call runs that doesn't end.
func TestKeptMap(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	src := newSourceOf(t, "tally", filepath.Join("testdata", "tally"))
	kept := src.build()
	src.edit("tally.go", "func main() {}", "const build = 2\n\nfunc main() {}")
	kept2 := src.build()
	src.toGoMap()
	plain := src.build()
	file := filepath.Join(p.plugins, "tally.so")
	install(t, plain, file)
	s := &stateful{daemon: p.start(t, "--plugins", p.plugins, "--checkpoints", "100ms"), t: t, src: src, name: "tally", file: file}
	s.get("/tally?fill=1000")
	const all = "1000 1000"
	for _, step := range []struct {
		image string
		way   sohost.Way
	}{{kept, sohost.WayConvert}, {kept2, sohost.WayAdopt}, {plain, sohost.WayConvert}, {kept, sohost.WayConvert}} {
		if m := s.swap(step.image); m.Way != step.way {
			t.Errorf("way %s, want %s", m.Way, step.way)
		}
		if got, _ := s.get("/tally"); got != all {
			t.Errorf("the state is %s", got)
		}
	}
	r, err := http.Get(s.url + "/tally?hang")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	io.ReadAtLeast(r.Body, make([]byte, 7), 7)
	last := filepath.Join(p.store, "state", "tally.cbor")
	awaitNewFile(t, last)
	s.get("/tally?fill=1100")
	for range 2 {
		awaitNewFile(t, last)
	}
	c := s.plugin("tally").Checkpoint
	if c == nil || c.Held != 0 || !c.Verified || c.Failed != nil || c.Bytes == 0 {
		t.Errorf("the checkpoint is %+v", c)
	}
	s.kill()
	s.daemon = p.start(t, "--plugins", p.plugins)
	if got, _ := s.get("/tally"); got != "1100 2100" {
		t.Errorf("after a kill the state is %s", got)
	}
}

// TestCheckpointWaits measures how long callers wait for anything while checkpoints are taken all the time: of a keep.Map, and
// of a Go map whose copy may or may not be finished in time.
func TestCheckpointWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures; TestKeptMap shows that it works")
	}
	for _, kind := range []string{"keep.Map", "Go map"} {
		src := newSourceOf(t, "tally", filepath.Join("testdata", "tally"))
		if kind == "Go map" {
			src.toGoMap()
		}
		p := newPlace(t)
		install(t, src.build(), filepath.Join(p.plugins, "tally.so"))
		d := p.start(t, "--plugins", p.plugins, "--checkpoints", (*waitFor / 20).String())
		d.get(fmt.Sprintf("/tally?fill=%d", *waitEntries))
		waits, calls := measureWaits(t, d, *waitFor)
		c := d.plugin("tally").Checkpoint
		slices.Sort(waits)
		at := func(share float64) time.Duration {
			return waits[int(share*float64(len(waits)-1))].Round(10 * time.Microsecond)
		}
		t.Logf("%s, %d entries, %v: %d calls, p50 %v, p99.9 %v, max %v; worker %.0f MiB", kind, *waitEntries, *waitFor, calls,
			at(0.5), at(0.999), at(1), float64(resident(d.status().Worker.PID))/(1<<20))
		if c == nil {
			t.Fatal("no checkpoints")
		}
		t.Logf("the last checkpoint: %.1f MB, took %v, held %v; failed: %+v", float64(c.Bytes)/1e6, c.Took, c.Held, c.Failed)
		if kind == "keep.Map" && (c.Failed != nil || c.Written.IsZero() || c.Held != 0) {
			t.Errorf("the checkpoint is %+v", c)
		}
		if limit := 10 * time.Second; at(1) > limit { // the copy of a large state would take as long; what is measured depends on the machine
			t.Errorf("a call waited %v", at(1))
		}
		d.terminate()
	}
}

// measureWaits makes calls, one at a time from each of two clients, and returns how long each took.
func measureWaits(t *testing.T, d *daemon, lasts time.Duration) (waits []time.Duration, calls int64) {
	t.Helper()
	var mu sync.Mutex
	var clients sync.WaitGroup
	var n atomic.Int64
	end := time.Now().Add(lasts)
	for c := range 2 {
		clients.Go(func() {
			var mine []time.Duration
			for i := c; time.Now().Before(end); i += 2 {
				begun := time.Now()
				r, err := http.Post(fmt.Sprintf("%s/tally/%d", d.url, i%*waitEntries), "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if r.StatusCode != http.StatusOK {
					t.Errorf("answer %s", r.Status)
				}
				mine = append(mine, time.Since(begun))
				n.Add(1)
			}
			mu.Lock()
			waits = append(waits, mine...)
			mu.Unlock()
		})
	}
	clients.Wait()
	return waits, n.Load()
}

// resident returns how much memory a process has resident, in bytes.
func resident(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, pages int64
	fmt.Sscan(strings.TrimSpace(string(b)), &size, &pages)
	return pages * int64(os.Getpagesize())
}
