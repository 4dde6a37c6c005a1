package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// newPlainSource returns the module of this repository with no more in it than a plugin needs: an image that is built from it
// without `sohost build` has the server's own packages abi and keep.
func newPlainSource(t testing.TB, name string) *source {
	t.Helper()
	s := &source{t: t, name: name, dir: filepath.Join(t.TempDir(), "sohost")}
	for _, dir := range []string{"abi", filepath.Join("plugins", name)} {
		if err := os.CopyFS(filepath.Join(s.dir, dir), os.DirFS(filepath.Join(repository, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil {
			t.Fatal(err)
		}
		s.write(file, string(b))
	}
	return s
}

// buildPlain builds an image as people do without sohost.
func (s *source) buildPlain() string {
	s.t.Helper()
	return s.image("plain", func(out string) {
		if err := goBuild(s.dir, out, "./plugins/"+s.name, nil, "-buildmode=plugin"); err != nil {
			s.t.Fatal(err)
		}
	})
}

// TestPlainImages copies images over each other that plain `go build` has made of one plugin, with another package of its
// own and another version of a dependency. The Go runtime can't have two of them in one process, so each is served by
// a new worker. No request may fail, and none may count twice or not at all.
func TestPlainImages(t *testing.T) {
	t.Parallel()
	if *arm64 {
		t.Skip("go build makes its images for this machine; what is tested depends on no architecture")
	}
	src := newPlainSource(t, "wordfreq")
	src.require("gopkg.in/yaml.v3@v3.0.0")
	images := []string{src.buildPlain()}
	src.require("gopkg.in/yaml.v3@v3.0.1")
	images = append(images, src.buildPlain())
	src.edit("plugins/wordfreq/count/count.go", "return len(words)", "n := len(words)\n\treturn n")
	images = append(images, src.buildPlain())

	p := newPlace(t)
	file := filepath.Join(p.plugins, "wordfreq.so")
	install(t, images[0], file)
	d := p.start(t, "--plugins", p.plugins)
	writing := startLoad(3, *steady, post(d.url+"/wordfreq", "the quick fox"))
	reading := startLoad(1, *steady, get(d.url+"/wordfreq?top=1"))
	changes := repeated(2 * len(images))
	workers := map[int]bool{d.status().Worker.PID: true}
	for i := range changes {
		image := images[(i+1)%len(images)]
		mark := d.mark()
		overwrite(t, image, file)
		if to := d.awaitReload(mark, "wordfreq"); to != short(t, image) {
			t.Fatalf("change %d: reload to %s, want %s", i, to, short(t, image))
		}
		d.await(mark, func(l line) bool { return l.text("msg") == "handover" })
		if _, generation := d.get("/wordfreq?top=1"); generation != short(t, image) {
			t.Errorf("change %d: %s serves, want %s", i, generation, short(t, image))
		}
		workers[d.status().Worker.PID] = true
	}
	if len(workers) != changes+1 {
		t.Errorf("%d workers have served %d images of which no two can be in one", len(workers), changes+1)
	}
	reading.end(t)
	written := writing.end(t)
	top, _ := d.get("/wordfreq?top=4")
	if n := strings.Count(top+"\n", "count: "+strconv.Itoa(len(written))+"\n"); n != 3 {
		t.Errorf("after %d texts with three words the words are\n%s", len(written), top)
	}
}
