package worker

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteForNobody writes to a worker without plugins. The write is acknowledged, and nothing of it is on disk.
func TestWriteForNobody(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Join(p.store, "writes")
	c := p.start(func(s *Start) { s.Writes = &Writes{} })
	c.serving()
	r, err := http.Post(p.url+"/write?db=d", "text/plain", strings.NewReader("cpu v=1i\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	segments, err := filepath.Glob(filepath.Join(dir, "*", "0*"))
	if err != nil || r.StatusCode != http.StatusNoContent || len(segments) != 0 {
		t.Errorf("%s, and on disk are %v, %v", r.Status, segments, err)
	}
	c.order(Order{Finish: true})
	c.ends(0)
}
