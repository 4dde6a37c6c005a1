package integration

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost"
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
