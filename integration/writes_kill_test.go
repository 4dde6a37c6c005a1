package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"golang.org/x/sys/unix"
)

// TestKillsKeepWrites kills the worker, and then the whole server, again and again while clients write, and hands over in between. Each
// row that was acknowledged is in the plugin's state once, though checkpoints are older than that; one that wasn't may be, once.
func TestKillsKeepWrites(t *testing.T) {
	p := newPlace(t)
	install(t, newSourceOf(t, "meter", filepath.Join("testdata", "meter")).build(), filepath.Join(p.plugins, "meter.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf("checkpoints = \"200ms\"\nwrites = true\n[plugin.meter]\nimage = %q\ntrigger = [{ spec = \"write:m\" }]\n",
		filepath.Join(p.plugins, "meter.so"))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	acknowledged := newTally()
	kills := 4
	if testing.Short() {
		kills = 2
	}
	for round := range kills {
		d := p.start(t, "--config", file)
		ctx, stop := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for ctx.Err() == nil {
					r, err := impatient.Post(d.url+"/write?db=x", "text/plain", strings.NewReader(fmt.Sprintf("m id=%di\n", sent.Add(1))))
					if err != nil {
						continue // it may be on disk or not
					}
					r.Body.Close()
					if r.StatusCode == http.StatusNoContent {
						acknowledged.add(1)
					}
				}
			})
		}
		acknowledged.awaitMore(t, 200)
		worker := d.status().Worker.PID
		process(worker).Kill()
		acknowledged.awaitMore(t, 200)
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Fatal(err)
		}
		acknowledged.awaitMore(t, 200)
		if round%2 == 0 {
			d.kill()
		}
		stop()
		writers.Wait()
		if round%2 != 0 {
			d.terminate()
		}
	}
	d := p.start(t, "--config", file)
	ids, sum := d.metered(acknowledged.Load())
	t.Logf("%d rows sent, %d acknowledged; %d are in the state, counted %d times", sent.Load(), acknowledged.Load(), ids, sum)
	if ids < acknowledged.Load() || ids > sent.Load() || ids != sum {
		t.Errorf("%d rows sent, %d acknowledged; %d are in the state, counted %d times", sent.Load(), acknowledged.Load(), ids, sum)
	}
	d.terminate()
}

// metered waits until the plugin meter has so many ids, and returns how many it has, and how often they were handled in all.
func (d *daemon) metered(wants int64) (ids, sum int64) {
	d.t.Helper()
	for limit := time.Now().Add(patience); ids < wants && time.Now().Before(limit); {
		body, _ := d.get("/meter")
		fmt.Sscan(body, &ids, &sum)
	}
	return ids, sum
}

// TestFullDisk lets a worker write no more to a file that has 300 KB, as if the disk were full, while a client writes. What it acknowledged by
// then, and again when there is room, is in the plugin's state once, and nothing else is.
func TestFullDisk(t *testing.T) {
	p := newPlace(t)
	install(t, newSourceOf(t, "meter", filepath.Join("testdata", "meter")).build(), filepath.Join(p.plugins, "meter.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf("writes = true\n[plugin.meter]\nimage = %q\ntrigger = [{ spec = \"write:m\" }]\n", filepath.Join(p.plugins, "meter.so"))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := p.start(t, "--config", file)
	room := func(bytes uint64) {
		t.Helper()
		if err := unix.Prlimit(d.status().Worker.PID, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	const rows = 2000
	sent := int64(0)
	write := func() *http.Response {
		t.Helper()
		var body strings.Builder
		for range rows {
			sent++
			fmt.Fprintf(&body, "m id=%di\n", sent)
		}
		r, err := impatient.Post(d.url+"/write?db=x", "text/plain", strings.NewReader(body.String()))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r
	}
	room(300_000)
	acknowledged := int64(0)
	r := write()
	for ; r.StatusCode == http.StatusNoContent && acknowledged < 100*rows; r = write() {
		acknowledged += rows
	}
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || acknowledged == 0 {
		t.Errorf("without room: %s, after %d rows", r.Status, acknowledged)
	}
	room(unix.RLIM_INFINITY)
	if r := write(); r.StatusCode != http.StatusNoContent {
		t.Errorf("with room again: %s", r.Status)
	}
	acknowledged += rows
	d.kill() // before there is a checkpoint
	d = p.start(t, "--config", file)
	if ids, sum := d.metered(acknowledged); ids != acknowledged || sum != acknowledged {
		t.Errorf("%d rows were acknowledged; %d are in the state, counted %d times", acknowledged, ids, sum)
	}
	d.terminate()
}

// tally counts, for one who waits for more.
type tally struct {
	atomic.Int64
	grew chan struct{} // has an element if it has
}

func newTally() *tally { return &tally{grew: make(chan struct{}, 1)} }

func (c *tally) add(n int64) {
	c.Add(n)
	select {
	case c.grew <- struct{}{}:
	default:
	}
}

// awaitMore waits until it has grown by n.
func (c *tally) awaitMore(t *testing.T, n int64) {
	t.Helper()
	from, limit := c.Load(), time.After(patience)
	for c.Load() < from+n {
		select {
		case <-c.grew:
		case <-limit:
			t.Fatalf("%d in %v", c.Load()-from, patience)
		}
	}
}
