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
	var acknowledged, sent atomic.Int64
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
						acknowledged.Add(1)
					}
				}
			})
		}
		awaitMore(t, &acknowledged, 200)
		worker := d.status().Worker.PID
		process(worker).Kill()
		awaitMore(t, &acknowledged, 200)
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Fatal(err)
		}
		awaitMore(t, &acknowledged, 200)
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
	handled := func() (ids, sum int64) {
		body, _ := d.get("/meter")
		fmt.Sscan(body, &ids, &sum)
		return ids, sum
	}
	awaitDone := time.Now().Add(patience)
	ids, sum := handled()
	for ; ids < acknowledged.Load() && time.Now().Before(awaitDone); ids, sum = handled() {
	}
	t.Logf("%d rows sent, %d acknowledged; %d are in the state, counted %d times", sent.Load(), acknowledged.Load(), ids, sum)
	if ids < acknowledged.Load() || ids > sent.Load() || ids != sum {
		t.Errorf("%d rows sent, %d acknowledged; %d are in the state, counted %d times", sent.Load(), acknowledged.Load(), ids, sum)
	}
	d.terminate()
}

// awaitMore waits until a counter has grown by n.
func awaitMore(t *testing.T, counter *atomic.Int64, n int64) {
	t.Helper()
	from, limit := counter.Load(), time.Now().Add(patience)
	for counter.Load() < from+n {
		if time.Now().After(limit) {
			t.Fatalf("%d in %v", counter.Load()-from, patience)
		}
		time.Sleep(time.Millisecond) // writers have no event for each
	}
}
