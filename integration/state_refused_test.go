package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestDeployTogether deploys two plugins at once: when one can't take its state neither flips, and otherwise there is one
// release for both.
func TestDeployTogether(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	ledger, fragile := newSourceOf(t, "ledger", "testdata/ledger"), newSourceOf(t, "fragile", "testdata/fragile")
	images := map[string]string{"ledger": ledger.build(), "fragile": fragile.build()}
	d := p.start(t, "--plugin", "ledger="+images["ledger"]+",mode=prod,route=/ledger", "--plugin", "fragile="+images["fragile"]+",mode=prod,route=/fragile")
	full, _ := d.get("/ledger?fill=1000")
	loads := []*load{startLoad(2, *steady, get(d.url+"/ledger")), startLoad(2, *steady, get(d.url+"/fragile"))}
	before := d.status()

	ledger.edit("ledger.go", "no such key", "no key like that")
	next := map[string]string{"ledger": ledger.build()}
	fragile.edit("fragile.go", "f.counts = s", "panic(0)\n\tf.counts = s")
	next["fragile"] = fragile.build()
	_, err := d.client.Deploy(patient(t), control.DeployRequest{Images: next})
	if err == nil || !strings.Contains(err.Error(), "fragile") {
		t.Errorf("deployed in spite of a panic in Import: %v", err)
	}
	for i, plugin := range d.status().Plugins {
		if plugin.Generation != before.Plugins[i].Generation {
			t.Errorf("%s went to %s in a deploy that failed", plugin.Name, plugin.Generation.Short())
		}
	}

	fragile.edit("fragile.go", "panic(0)", "_ = ctx")
	next["fragile"] = fragile.build()
	r, err := d.client.Deploy(patient(t), control.DeployRequest{Images: next})
	if err != nil {
		t.Fatal(err)
	}
	if r.Release != before.Release+1 || len(r.Moves) != 2 {
		t.Errorf("release %d with %d moves after release %d", r.Release, len(r.Moves), before.Release)
	}
	for _, l := range loads {
		l.end(t)
	}
	if now, _ := d.get("/ledger"); now != full {
		t.Errorf("the ledger has %q, want %q", now, full)
	}
}

// TestStateLimit has a state that takes more memory to copy than the server allows: the generation before goes on with it.
func TestStateLimit(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "ledger", "--state-limit", "100000")
	full, _ := s.get("/ledger?fill=10000")
	serving := s.plugin("ledger").Generation.Short()
	s.src.edit("ledger.go", "Hits int32", "Hits int64")
	mark := s.mark()
	install(t, s.src.build(), s.file)
	if why := s.awaitRefusal(mark, "ledger").text("why"); !strings.Contains(why, "100000 bytes") {
		t.Errorf("refused because %q", why)
	}
	if now, generation := s.get("/ledger"); now != full || generation != serving {
		t.Errorf("generation %s has %q, want %s with %q", generation, now, serving, full)
	}
}

// TestSlowCall has a call that doesn't end while state is to move: the move is given up, telling who holds it, and callers
// go on with the old generation.
func TestSlowCall(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "fragile", "--drain-timeout", "300ms")
	s.src.edit("fragile.go", "f.mu.Lock()\n", "if r.Method == http.MethodPost {\n\t\tio.Copy(io.Discard, r.Body)\n\t}\n\tf.mu.Lock()\n")
	s.src.edit("fragile.go", "\"fmt\"", "\"fmt\"\n\t\"io\"")
	s.swap(s.src.build())
	serving := s.plugin("fragile").Generation.Short()

	body, slow := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, _, err := send(impatient, func() (*http.Request, error) { return http.NewRequest(http.MethodPost, s.url+"/fragile", body) })
		done <- err
	}()
	for s.plugin("fragile").Generations[0].Leases == 0 { // until the plugin reads the body
	}
	mark := s.mark()
	install(t, newCloner(t, s.file, "example.com/fragile").clone(t), s.file)
	why := s.awaitRefusal(mark, "fragile").text("why")
	for _, part := range []string{"1 call", "plugin fragile", serving, "300ms"} {
		if !strings.Contains(why, part) {
			t.Errorf("refused because %q, which doesn't mention %q", why, part)
		}
	}
	s.get("/fragile")
	slow.Close()
	if err := <-done; err != nil {
		t.Errorf("the slow call: %v", err)
	}
}

// TestMisbehavingState has the new generation's Import and the old one's Export do what they must not. The old generation
// goes on with the state it had, and so does everybody who calls it.
func TestMisbehavingState(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "fragile", "--drain-timeout", "2s", "--open-timeout", "2s")
	const takes = "f.counts = s.Value.(map[string]int)\n"
	imports := []struct{ name, body, wants string }{
		{"error", `return fmt.Errorf("no thanks")`, "no thanks"},
		{"panic", `panic("at the import")`, "at the import"},
		{"blocks for ever", `select {}`, "time limit"},
		{"mutates first", `clear(s.Value.(map[string]int)); return fmt.Errorf("cleared it all")`, "cleared it all"},
	}
	load := startLoad(4, *steady, get(s.url+"/fragile"))
	serving := s.plugin("fragile").Generation.Short()
	for _, test := range imports {
		s.src.edit("fragile.go", takes, test.body+"\n\t"+takes)
		image := s.src.build()
		mark := s.mark()
		install(t, image, s.file)
		if why := s.awaitRefusal(mark, "fragile").text("why"); !strings.Contains(why, test.wants) {
			t.Errorf("Import %s: refused because %q", test.name, why)
		}
		if _, generation := s.get("/fragile"); generation != serving {
			t.Errorf("Import %s: %s serves, want %s", test.name, generation, serving)
		}
		s.src.edit("fragile.go", test.body+"\n\t"+takes, takes)
	}

	// An Export that panics keeps its own generation in place.
	const gives = "return abi.State{"
	s.src.edit("fragile.go", gives, "if f.counts != nil {\n\t\tpanic(\"at the export\")\n\t}\n\t"+gives)
	s.swap(s.src.build())
	serving = s.plugin("fragile").Generation.Short()
	s.src.edit("fragile.go", "panic(\"at the export\")", "_ = f")
	mark := s.mark()
	install(t, s.src.build(), s.file)
	if why := s.awaitRefusal(mark, "fragile").text("why"); !strings.Contains(why, "at the export") {
		t.Errorf("Export panics: refused because %q", why)
	}
	if _, generation := s.get("/fragile"); generation != serving {
		t.Errorf("Export panics: %s serves, want %s", generation, serving)
	}

	// The two requests above that were no part of the load counted, too.
	answers := load.end(t)
	total, _ := s.get("/fragile")
	if want := fmt.Sprint(len(answers) + len(imports) + 2); total != want {
		t.Errorf("the count is %s, want %s", total, want)
	}
}
