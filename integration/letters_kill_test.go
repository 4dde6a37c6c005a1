package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost"
)

// TestKillsKeepLetters kills the worker while what was put aside is delivered again, and right after that. In the end each row is in the
// plugin's state once, and nothing is put aside any more.
func TestKillsKeepLetters(t *testing.T) {
	if testing.Short() {
		t.Skip("make kills runs it")
	}
	p := newPlace(t)
	install(t, newSourceOf(t, "meter", filepath.Join("testdata", "meter")).build(), filepath.Join(p.plugins, "meter.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf("checkpoints = \"1h\"\nwrites = true\n[plugin.meter]\nimage = %q\nargs = { slow = \"yes\" }\n"+
		"trigger = [{ spec = \"write:m\", on_error = \"retry\", attempts = 1, timeout = \"20ms\" }]\n", filepath.Join(p.plugins, "meter.so"))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := p.start(t, "--config", file)
	const rows = 40
	for id := range rows {
		r, err := impatient.Post(d.url+"/write?db=x", "text/plain", strings.NewReader(fmt.Sprintf("m id=%di\n", id)))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusNoContent {
			t.Fatal(r.Status)
		}
	}
	key := sohost.TriggerKey{Plugin: "meter", Name: "write-m"}
	last := d.awaitTrigger(key, func(s sohost.TriggerStatus) bool { return s.Letters == rows && s.Writes == 0 }).Cursor
	d.terminate()
	// From here on there is a checkpoint by which nothing is to come from the writes on disk any more.
	d = p.start(t, "--config", file)
	through := func(s sohost.TriggerStatus) bool { return s.Cursor == last } // all that was written is put aside, or handled
	for round := range 6 {
		d.awaitTrigger(key, through)
		d.get("/meter/go")
		ctx, cancel := context.WithCancel(t.Context())
		var replaying sync.WaitGroup
		replaying.Go(func() { d.client.ReplayTrigger(ctx, key) }) // until its worker is killed
		if round%2 == 0 {
			d.metered(rows / 4)
		} else {
			replaying.Wait()
		}
		mark := d.mark()
		process(d.status().Worker.PID).Kill()
		d.await(mark, isMessage("worker serves"))
		cancel()
		replaying.Wait()
	}
	d.get("/meter/go")
	d.awaitTrigger(key, through)
	if did, err := d.client.ReplayTrigger(patient(t), key); err != nil || did.Failed != 0 {
		t.Errorf("%+v, %v", did, err)
	}
	if ids, sum := d.metered(rows); ids != rows || sum != rows {
		t.Errorf("%d rows were put aside; %d are in the state, counted %d times", rows, ids, sum)
	}
	d.awaitTrigger(key, func(s sohost.TriggerStatus) bool { return s.Letters == 0 })
	d.terminate()
}

// awaitTrigger waits until the status of a trigger is as it should be, and returns it.
func (d *daemon) awaitTrigger(key sohost.TriggerKey, is func(sohost.TriggerStatus) bool) sohost.TriggerStatus {
	d.t.Helper()
	for hang := time.Now().Add(patience); ; {
		for _, s := range d.plugin(key.Plugin).Triggers {
			if s.Name == key.Name && is(s) {
				return s
			}
			if time.Now().After(hang) {
				d.t.Fatalf("the trigger is %+v", s)
			}
		}
	}
}
