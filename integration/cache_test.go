package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestCachesSurvive checks that what plugins put into the host's caches is there after a reload and in a new worker.
func TestCachesSurvive(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	source := newSourceOf(t, "pad", filepath.Join("testdata", "pad"))
	file := filepath.Join(p.plugins, "pad.so")
	install(t, source.build(), file)
	d := p.start(t, "--plugins", p.plugins)
	for _, key := range []string{"a", "b&ttl=1h"} {
		resp, err := impatient.Post(d.url+"/pad?key="+key, "", strings.NewReader("of "+key))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	look := func(when string) {
		t.Helper()
		for key, want := range map[string]string{"a": "own of a, shared of a", "b": "own of b&ttl=1h, shared of b&ttl=1h", "c": ","} {
			if body, _ := d.get("/pad?key=" + key); body != want {
				t.Errorf("%s: %s is %q, want %q", when, key, body, want)
			}
		}
	}
	look("at first")
	mark := d.mark()
	source.edit("pad.go", `"%s, %s\n"`, `"%s, %s"`)
	install(t, source.build(), file)
	d.awaitReload(mark, "pad")
	look("after a reload")
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Why: "test"}); err != nil {
		t.Fatal(err)
	}
	look("after a handover")
}
