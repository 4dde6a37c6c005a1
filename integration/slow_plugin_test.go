package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSlowPlugin has a plugin that handles nothing until it is let, and writes more than there is room for. The client is told to try
// again, nothing of such a write is kept, and all that was acknowledged is handled once.
func TestSlowPlugin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ack, writes, trigger string }{
		{"spool", `ack = "spool"` + "\nspool_limit = 200000", ""},
		{"handled", `ack = "handled"`, ", queue_rows = 2000"},
	} {
		t.Run(test.ack, func(t *testing.T) {
			p := newPlace(t)
			install(t, newSourceOf(t, "meter", filepath.Join("testdata", "meter")).build(), filepath.Join(p.plugins, "meter.so"))
			file := filepath.Join(p.dir, "sohost.toml")
			config := fmt.Sprintf("checkpoints = \"100ms\"\n[writes]\n%s\n[plugin.meter]\nimage = \"%s/meter.so\"\nargs = { slow = \"yes\" }\n"+
				"trigger = [{ spec = \"write:m\"%s }]\n", test.writes, p.plugins, test.trigger)
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			d := p.start(t, "--config", file)
			overruns(t, d, test.ack == "handled")
			d.terminate()
		})
	}
}

// overruns writes until the server has no room, and again when the plugin goes on. A write that waits for the plugin is left to a
// goroutine.
func overruns(t *testing.T, d *daemon, waits bool) {
	const rows = 1000
	sent := int64(0)
	body := func() string {
		var b strings.Builder
		for range rows {
			sent++
			fmt.Fprintf(&b, "m id=%di\n", sent)
		}
		return b.String()
	}
	write := func(body string) (*http.Response, error) {
		r, err := impatient.Post(d.url+"/write?db=x", "text/plain", strings.NewReader(body))
		if err == nil {
			r.Body.Close()
		}
		return r, err
	}
	acknowledged := int64(0)
	waiting := make(chan string, 2)
	for ; waits && acknowledged < 2*rows; acknowledged += rows { // as much as the queue has room for
		text := body()
		go func() {
			r, err := write(text)
			if err != nil {
				waiting <- err.Error()
				return
			}
			waiting <- r.Status
		}()
		d.awaitRows(acknowledged + rows)
	}
	r, err := write(body())
	for ; err == nil && r.StatusCode == http.StatusNoContent && acknowledged < 1000*rows; r, err = write(body()) {
		acknowledged += rows
	}
	if err != nil || r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || acknowledged == 0 {
		t.Fatalf("without room: %v, %v, after %d rows", r, err, acknowledged)
	}
	d.get("/meter/go")
	for range cap(waiting) {
		if waits {
			if status := <-waiting; !strings.HasPrefix(status, "204 ") {
				t.Errorf("a write that waited: %s", status)
			}
		}
	}
	d.metered(acknowledged)
	again := body()
	r, err = write(again)
	for hang := time.Now().Add(patience); err == nil && r.StatusCode == http.StatusServiceUnavailable && time.Now().Before(hang); {
		r, err = write(again) // until a checkpoint has made room
	}
	if err != nil || r.StatusCode != http.StatusNoContent {
		t.Fatalf("with room again: %v, %v", r, err)
	}
	acknowledged += rows
	if ids, sum := d.metered(acknowledged); ids != acknowledged || sum != acknowledged {
		t.Errorf("%d rows were acknowledged; %d are in the state, counted %d times", acknowledged, ids, sum)
	}
}

// awaitRows waits until so many rows are in queues.
func (d *daemon) awaitRows(n int64) {
	d.t.Helper()
	for hang := time.Now().Add(patience); ; {
		rows := int64(0)
		for _, p := range d.status().Plugins {
			for _, t := range p.Triggers {
				rows += int64(t.Rows)
			}
		}
		if rows >= n {
			return
		}
		if time.Now().After(hang) {
			d.t.Fatalf("%d rows are in queues, want %d", rows, n)
		}
	}
}
