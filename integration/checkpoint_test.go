package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCheckpoint takes a plugin's state through a clean stop, a kill and a damaged checkpoint.
func TestCheckpoint(t *testing.T) {
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
	load := startLoad(2, steady, get(d.url+"/counter"))
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
