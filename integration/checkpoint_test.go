package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// TestCheckpoint takes a plugin's state through a clean stop, a kill and a damaged checkpoint.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	p := newPlace(t)
	install(t, src.build(), filepath.Join(p.plugins, "counter.so"))
	last := filepath.Join(p.store, "state", "counter.cbor")
	args := []string{"--plugins", p.plugins, "--checkpoints", "20ms"}

	d := p.start(t, "--plugins", p.plugins)
	for range 3 {
		d.get("/counter")
	}
	d.terminate()
	d = p.start(t, args...)
	if total, _ := d.get("/counter/total"); total != "3" {
		t.Errorf("after a clean stop the total is %s, want 3", total)
	}

	// What was counted is in a checkpoint once another one has been taken after it.
	load := startLoad(2, *steady, get(d.url+"/counter"))
	for range 3 {
		awaitNewFile(t, last)
	}
	answered := 3 + len(load.end(t))
	for range 2 {
		awaitNewFile(t, last)
	}
	d.kill()
	d = p.start(t, args...)
	if total, _ := d.get("/counter/total"); total != fmt.Sprint(answered) {
		t.Errorf("after a kill the total is %s, want %d", total, answered)
	}
	d.terminate()

	b, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(last, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d = p.start(t, args...)
	d.await(0, func(l line) bool { return strings.Contains(l.text("msg"), "corrupt") })
	if total, _ := d.get("/counter/total"); total != fmt.Sprint(answered) {
		t.Errorf("with the checkpoint before the last the total is %s, want %d", total, answered)
	}
	if aside, err := filepath.Glob(last + ".corrupt-*"); err != nil || len(aside) != 1 {
		t.Errorf("the corrupt checkpoint was not set aside: %v, %v", aside, err)
	}
}

// awaitNewFile returns when another file stands at path.
func awaitNewFile(t *testing.T, path string) {
	t.Helper()
	before, _ := os.Stat(path)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if now, err := os.Stat(path); err == nil && !os.SameFile(before, now) {
			return
		}
	}
	t.Fatalf("no new %s within %v", path, patience)
}

// TestCheckpointVersions has a plugin end the worker that has state of a new version, in probation. The version before can't take the
// new one's checkpoint, and goes on with its own last one; the new one's is kept until that is back.
func TestCheckpointVersions(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	p := newPlace(t)
	file := filepath.Join(p.plugins, "counter.so")
	first := src.build()
	install(t, first, file)
	last := filepath.Join(p.store, "state", "counter.cbor")
	d := p.start(t, "--plugins", p.plugins, "--checkpoints", "20ms", "--probation", "100ms")
	for range 3 {
		d.get("/counter")
	}
	d.await(0, func(l line) bool { return l.text("msg") == "confirmed" })
	for range 3 {
		awaitNewFile(t, last)
	}

	src.edit("counter.go", "schema, Version: 1, Value: uint64(0)", "schema, Version: 2, Value: uint64(0)")
	src.edit("counter.go", "schema, Version: 1, Value: c.total.Load()", "schema, Version: 2, Value: c.total.Load()")
	src.edit("counter.go", "s.Version != 1", "s.Version > 2")
	src.edit("counter.go", `if strings.HasSuffix(r.URL.Path, "/total") {`, `if strings.HasSuffix(r.URL.Path, "/crash") {
		go func() { panic("told to") }()
		select {}
	}
	if strings.HasSuffix(r.URL.Path, "/total") {`)
	second := src.build()
	d.terminate() // the next one has a long probation
	d = p.start(t, "--plugins", p.plugins, "--checkpoints", "20ms")
	mark := d.mark()
	install(t, second, file)
	d.awaitReload(mark, "counter")
	if total, _ := d.get("/counter"); total != "4" {
		t.Fatalf("after the reload the counter answers %s, want 4", total)
	}
	for range 3 {
		awaitNewFile(t, last)
	}
	mark = d.mark()
	once := &http.Client{Transport: new(wire)} // which doesn't send it again, to the next worker
	send(once, get(d.url+"/counter/crash"))
	once.CloseIdleConnections()
	d.await(mark, func(l line) bool { return l.text("msg") == "worker serves" })
	if total, generation := d.get("/counter/total"); total != "3" || generation != short(t, first) {
		t.Errorf("after the crash %s answers %s, want 3 from %s; the log:\n%s", generation, total, short(t, first), d.log())
	}
	d.get("/counter")
	for range 3 {
		awaitNewFile(t, last) // which must not cost the newer state
	}
	if _, err := d.client.LiftQuarantine(patient(t), control.LiftRequest{Image: short(t, second)}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(last + ".v2"); err != nil || len(b) == 0 {
		t.Errorf("the newer version's checkpoint: %v", err)
	}
}
