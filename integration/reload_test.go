package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// TestReloadUnderLoad changes two stateful plugins in every way a file can change, while clients keep them busy.
// No request may fail, and none may be counted twice or not at all.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	counter, wordfreq := newSource(t, "counter"), newSource(t, "wordfreq")
	wordfreq.require("gopkg.in/yaml.v3@v3.0.0")
	firstCounter, firstWordfreq := counter.build(), wordfreq.build()

	// What a developer changes: a sub-package, a dependency up and down, the plugin itself. It is built before there is a load.
	wordfreq.edit("count/count.go", "return len(words)", "return len(words) + 0")
	images := []string{wordfreq.build()}
	wordfreq.require("gopkg.in/yaml.v3@v3.0.1")
	images = append(images, wordfreq.build())
	wordfreq.require("gopkg.in/yaml.v3@v3.0.0")
	wordfreq.edit("count/count.go", "len(words) + 0", "len(words) + 0*1")
	images = append(images, wordfreq.build())
	counter.edit("counter.go", "returns the new total", "returns the total")
	counter.edit("counter.go", "Fprintln(w, c.total.Add(c.step))", "Fprintf(w, \"%d\\n\", c.total.Add(c.step))")
	second := counter.build()

	p := newPlace(t)
	counterFile, wordfreqFile := filepath.Join(p.plugins, "counter.so"), filepath.Join(p.plugins, "wordfreq.so")
	install(t, firstCounter, counterFile)
	install(t, firstWordfreq, wordfreqFile)
	d := p.start(t, "--plugins", p.plugins)
	pause := time.Duration(0)
	if testing.Short() { // other tests run beside it, and want some of the machine
		pause = time.Millisecond
	}
	counting := startLoad(2, pause, get(d.url+"/counter"))
	writing := startLoad(1, pause, post(d.url+"/wordfreq", "the quick fox"))
	change := func(plugin, image string, act func()) {
		t.Helper()
		mark := d.mark()
		act()
		if to, want := d.awaitReload(mark, plugin), short(t, image); to != want {
			t.Fatalf("%s serves %s, want %s", plugin, to, want)
		}
	}
	for _, image := range images {
		change("wordfreq", image, func() { install(t, image, wordfreqFile) })
	}
	change("counter", second, func() { install(t, second, counterFile) })

	// How a file changes: copied over, moved over, written in pieces, and back to an earlier image.
	change("counter", firstCounter, func() { overwrite(t, firstCounter, counterFile) })
	change("counter", second, func() { writeInPieces(t, second, counterFile) })
	change("wordfreq", firstWordfreq, func() { install(t, firstWordfreq, wordfreqFile) })

	// What is no change: the same bytes again, and a touch. By the time the other plugin has changed, they were looked at.
	clones := map[string]*cloner{
		"counter":  newCloner(t, second, "example.com/counter"),
		"wordfreq": newCloner(t, firstWordfreq, "example.com/wordfreq"),
	}
	mark := d.mark()
	overwrite(t, second, counterFile)
	now := time.Now()
	if err := os.Chtimes(counterFile, now, now); err != nil {
		t.Fatal(err)
	}
	other, third := clones["wordfreq"].clone(t), clones["counter"].clone(t)
	change("wordfreq", other, func() { install(t, other, wordfreqFile) })
	install(t, third, counterFile)
	if to, want := d.awaitReload(mark, "counter"), short(t, third); to != want {
		t.Errorf("after a rewrite and a touch came a reload to %s; the next change is %s", to, want)
	}

	for i := range repeated(2) {
		plugin, file := "wordfreq", wordfreqFile
		if i%2 == 1 {
			plugin, file = "counter", counterFile
		}
		image := clones[plugin].clone(t)
		change(plugin, image, func() { install(t, image, file) })
	}

	answers := counting.end(t)
	writes := writing.end(t)
	checkCounted(t, answers)
	if total, _ := d.get("/counter/total"); total != strconv.Itoa(len(answers)) {
		t.Errorf("the counter's total is %s after %d answers", total, len(answers))
	}
	top, _ := d.get("/wordfreq?top=1")
	if want := "count: " + strconv.Itoa(len(writes)); !strings.Contains(top, want) {
		t.Errorf("after %d texts with each word once the most frequent word is\n%s", len(writes), top)
	}
	d.awaitRetired()
	checkStore(t, d, p)
}

// checkCounted checks that the counter has answered each number from 1 on exactly once.
func checkCounted(t *testing.T, answers []string) {
	t.Helper()
	seen := make([]bool, len(answers)+1)
	for _, a := range answers {
		n, err := strconv.Atoi(a)
		if err != nil || n < 1 || n >= len(seen) || seen[n] {
			t.Fatalf("the counter answered %q among %d answers: out of range or twice", a, len(answers))
		}
		seen[n] = true
	}
}

// awaitRetired waits until every plugin has only the generation that serves.
func (d *daemon) awaitRetired() {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		draining := 0
		for _, p := range d.status().Plugins {
			draining += len(p.Generations) - 1
		}
		if draining == 0 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d generations are still draining", draining)
		}
	}
}

// checkStore stops the server, which keeps all images that it has opened, prunes its store and checks that this holds what
// the releases name that were kept, and nothing else.
func checkStore(t *testing.T, d *daemon, p place) {
	t.Helper()
	const keep = 3
	d.terminate()
	cli(t, "prune", "--keep", strconv.Itoa(keep), "--store", p.store)
	store, err := generations.ReadStore(p.store)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	releases, err := store.Releases()
	if err != nil || len(releases) != keep {
		t.Errorf("after prune --keep %d there are %d releases, %v", keep, len(releases), err)
	}
	named := map[string]bool{}
	for _, r := range releases {
		for _, e := range r.Plugins {
			named[e.Image.String()+".so"] = true
		}
	}
	objects, err := os.ReadDir(filepath.Join(p.store, "objects"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if !named[o.Name()] {
			t.Errorf("prune has left %s, which no release names", o.Name())
		}
		delete(named, o.Name())
	}
	if len(named) > 0 {
		t.Errorf("prune has removed images that releases name: %v", named)
	}
}

// writeInPieces writes an image over a file as a slow copy does: a part, then more, closed in between.
func writeInPieces(t *testing.T, image, to string) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	for i, n := 0, 5; err == nil && i < n; i++ {
		if _, err = f.Write(b[len(b)*i/n : len(b)*(i+1)/n]); err != nil {
			break
		}
		if err = f.Close(); err == nil && i < n-1 {
			f, err = os.OpenFile(to, os.O_WRONLY|os.O_APPEND, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
