package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExampleAlerts runs the example of one plugin after another: what is stored in the end is what the example says.
func TestExampleAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("make long runs it")
	}
	t.Parallel()
	p := newPlace(t)
	folder := filepath.Join(p.dir, "examples", "alerts")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(repository, "examples", "alerts"))); err != nil {
		t.Fatal(err)
	}
	images := filepath.Join(p.dir, "build", "plugins")
	for _, name := range []string{"downsample", "threshold"} {
		if err := run(repository, nil, tool, "build", "--host", server, "-o", filepath.Join(images, name+".so"), "./plugins/"+name); err != nil {
			t.Fatal(err)
		}
	}
	d := p.start(t, "--config", filepath.Join(folder, "sohost.toml"))
	points, err := os.ReadFile(filepath.Join(folder, "points.lp"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(folder, "stored.lp"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := impatient.Post(d.url+"/write?db=metrics", "text/plain", strings.NewReader(string(points)))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNoContent {
		t.Fatal(r.Status)
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) { // nobody is told that a sink has written
		got, err := os.ReadFile(filepath.Join(p.dir, "build", "stored.lp"))
		if err == nil && string(got) == string(want) {
			break
		}
		if time.Since(begun) > patience {
			t.Fatalf("stored is, %v:\n%s\nwant:\n%s", err, got, want)
		}
	}
	d.terminate()
}
