package integration

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// stateful is a server with one plugin whose images a test deploys.
type stateful struct {
	*daemon
	t    testing.TB
	src  *source
	name string
	file string
}

func newStateful(t testing.TB, name string, args ...string) *stateful {
	t.Helper()
	return newPlace(t).startStateful(t, name, args...)
}

func (p place) startStateful(t testing.TB, name string, args ...string) *stateful {
	t.Helper()
	src := newSourceOf(t, name, filepath.Join("testdata", name))
	file := filepath.Join(p.plugins, name+".so")
	install(t, src.build(), file)
	return &stateful{daemon: p.start(t, append([]string{"--plugins", p.plugins}, args...)...), t: t, src: src, name: name, file: file}
}

// swap installs an image and returns how the state moved.
func (s *stateful) swap(image string) sohost.StateMove {
	s.t.Helper()
	mark := s.mark()
	install(s.t, image, s.file)
	if to := s.awaitReload(mark, s.name); to != short(s.t, image) {
		s.t.Fatalf("reload to %s, want %s", to, short(s.t, image))
	}
	return s.plugin(s.name).Last.State
}

// TestStateBackAndForth moves a state of the plugin's own types through reloads to new images and back to ones that were
// there before, with a garbage collector that never rests. Nothing may be lost or copied.
func TestStateBackAndForth(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"GOGC=5"}
	s := p.startStateful(t, "ledger")
	const keys = 20_000
	full, _ := s.get(fmt.Sprintf("/ledger?fill=%d", keys))
	images := []string{s.src.build()}
	for i := range 4 { // clones won't do: they share their types
		s.src.edit("ledger.go", "func main() {}", fmt.Sprintf("const build%d = %d\n\nfunc main() {}", i, i))
		s.src.edit("ledger.go", "no such key", "no such key ")
		images = append(images, s.src.build())
	}
	for i := range repeated(2 * len(images)) {
		if move := s.swap(images[(i+1)%len(images)]); move.Way != sohost.WayAdopt || move.Entries != 0 {
			t.Fatalf("reload %d: the state went by %q with %d entries copied", i, move.Way, move.Entries)
		}
		if now, _ := s.get("/ledger"); now != full {
			t.Fatalf("after reload %d the ledger has %q, want %q", i, now, full)
		}
	}
	if hits, _ := s.get(fmt.Sprintf("/ledger/filled-%d", keys-1)); hits != "1" {
		t.Errorf("the last key has %s hits", hits)
	}
}

// TestStateUnderLoad writes keys while the plugin is reloaded again and again: every write that was acknowledged must be
// there at the end, once.
func TestStateUnderLoad(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "ledger")
	clones := newCloner(t, s.file, "example.com/ledger")
	var next atomic.Int64
	writes := startLoad(2, 0, func() (*http.Request, error) {
		return http.NewRequest(http.MethodPost, fmt.Sprintf("%s/ledger/key-%d", s.url, next.Add(1)), nil)
	})
	reloads := repeated(8)
	var images []string
	for range min(reloads/2, 20) { // each serves more than once
		images = append(images, clones.clone(t))
	}
	ways := map[sohost.Way]int{}
	for i := range reloads {
		ways[s.swap(images[i%len(images)]).Way]++
	}
	written := writes.end(t)
	t.Logf("%d reloads: %v", reloads, ways)
	if count, _ := s.get("/ledger"); count != fmt.Sprintf("%d %d", len(written), len(written)) {
		t.Errorf("the ledger has %q keys and hits after %d acknowledged writes", count, len(written))
	}
	kept, _ := s.get("/ledger?keys")
	hits := map[string]string{}
	for line := range strings.Lines(kept) {
		key, n, _ := strings.Cut(strings.TrimSpace(line), " ")
		hits[key] = n
	}
	for _, key := range written {
		if hits[key] != "1" {
			t.Fatalf("%s was acknowledged, and has %q hits", key, hits[key])
		}
	}
}

// TestLayoutChanges changes the type of the state between builds, and goes back.
func TestLayoutChanges(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "ledger")
	full, _ := s.get("/ledger?fill=1000")
	first := s.src.build()
	steps := []struct {
		name, from, to string
		way            sohost.Way
		changes        string
	}{
		{"added", "Hits int32", "Hits int32\n\tSeen int64", sohost.WayConvert, "added state.ByKey[].Seen"},
		{"widened", "Hits int32", "Hits int64", sohost.WayConvert, "retyped state.ByKey[].Hits: int32 → int64"},
		{"removed", "Tags []string", "", sohost.WayConvert, "removed state.ByKey[].Tags"},
		{"renamed by tag", "Seen int64", "Looked int64 `sohost:\"was=Seen\"`", sohost.WayConvert, "renamed state.ByKey[].Seen → Looked"},
	}
	for _, step := range steps {
		s.src.edit("ledger.go", step.from, step.to)
		if step.name == "removed" {
			s.src.edit("ledger.go", "Tags: []string{key}, ", "")
		}
		move := s.swap(s.src.build())
		if move.Way != step.way || !slices.Contains(move.Changes, step.changes) {
			t.Errorf("%s: went by %q with changes %q, want %q with %q", step.name, move.Way, move.Changes, step.way, step.changes)
		}
		if now, _ := s.get("/ledger"); now != full {
			t.Errorf("%s: the ledger has %q, want %q", step.name, now, full)
		}
	}

	// A change of the map's keys is no conversion: it is refused, with the place, and the code before goes on.
	serving := s.plugin("ledger").Generation
	s.src.edit("ledger.go", "type entry struct", "type number int\n\ntype entry struct")
	s.src.edit("ledger.go", "ByKey map[string]*entry", "ByKey map[number]*entry")
	s.src.edit("ledger.go", "ByKey: map[string]*entry{}", "ByKey: map[number]*entry{}")
	s.src.edit("ledger.go", "e := s.ByKey[key]\n\tif e == nil {\n\t\te =", "e := s.ByKey[number(len(key))]\n\tif e == nil {\n\t\te =")
	s.src.edit("ledger.go", "s.ByKey[key], s.First = e, e", "s.ByKey[number(len(key))], s.First = e, e")
	s.src.edit("ledger.go", "e := s.ByKey[key]", "e := s.ByKey[number(len(key))]")
	mark := s.mark()
	install(t, s.src.build(), s.file)
	if why := s.awaitRefusal(mark, "ledger").text("why"); !strings.Contains(why, "state.ByKey[key]") {
		t.Errorf("refused because %q, which doesn't name the place", why)
	}
	if now, generation := s.get("/ledger"); now != full || generation != serving.Short() {
		t.Errorf("after the refusal generation %s has %q, want %s with %q", generation, now, serving.Short(), full)
	}

	// Back to the first: what it can't take is lost, and reported. int64 → int32 has no way, so it is the state from before.
	mark = s.mark()
	install(t, first, s.file)
	if why := s.awaitRefusal(mark, "ledger").text("why"); !strings.Contains(why, "state.ByKey[].Hits") {
		t.Errorf("the way back was refused because %q, which doesn't name the place", why)
	}
}

// TestRollbackKeepsState goes back to a generation whose types can't take the state: it gets the state that it had, and a
// warning says how old that is.
func TestRollbackKeepsState(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "ledger")
	before, _ := s.get("/ledger?fill=1000")
	s.src.edit("ledger.go", "Hits int32", "Hits int64")
	if move := s.swap(s.src.build()); move.Way != sohost.WayConvert {
		t.Fatalf("the state went by %q", move.Way)
	}
	if _, _, err := send(impatient, func() (*http.Request, error) {
		return http.NewRequest(http.MethodPost, s.url+"/ledger/late", nil)
	}); err != nil {
		t.Fatal(err)
	}
	mark := s.mark()
	r, err := s.client.Rollback(patient(t), control.RollbackRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if move := r.Moves[0].State; move.Way != sohost.WayKept || move.Age <= 0 {
		t.Errorf("rolled back with state by %q, %v old", move.Way, move.Age)
	}
	s.await(mark, func(l line) bool { return l.text("level") == "WARN" && strings.Contains(l.text("msg"), "lost") })
	if now, _ := s.get("/ledger"); now != before {
		t.Errorf("after the rollback the ledger has %q, want %q", now, before)
	}
}

// TestDowngrade goes back to a generation that knows an older version of the state, which the newer one can express.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "fragile")
	s.get("/fragile")
	s.src.edit("fragile.go", "Version: 1, Value: map[string]int(nil)", "Version: 2, Value: []int(nil)")
	s.src.edit("fragile.go", "Version: 1, Value: f.counts", "Version: 2, Value: []int{f.counts[\"total\"]}")
	s.src.edit("fragile.go", "f.counts = s.Value.(map[string]int)", `switch v := s.Value.(type) {
	case map[string]int:
		f.counts = v
	case []int:
		f.counts["total"] = v[0]
	}`)
	s.src.edit("fragile.go", "func main() {}", `func (f *fragile) ExportAs(context.Context, int) (abi.State, error) {
	return abi.State{Schema: "fragile", Version: 1, Value: f.counts}, nil
}

func main() {}`)
	if move := s.swap(s.src.build()); move.Way != sohost.WayImport || move.Version != 1 {
		t.Fatalf("the state went by %q in version %d", move.Way, move.Version)
	}
	s.get("/fragile")
	r, err := s.client.Rollback(patient(t), control.RollbackRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if move := r.Moves[0].State; move.Way != sohost.WayDowngrade || move.Version != 1 {
		t.Errorf("rolled back with state by %q in version %d", move.Way, move.Version)
	}
	if total, _ := s.get("/fragile"); total != "3" {
		t.Errorf("the count is %s, want 3", total)
	}
}
