package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/native"
)

// BenchmarkSlim compares slim images of a plugin with full ones, on two servers that reload by turns images that they have never seen.
// Each iteration is a round of both. It reports slim figures and their ratios to the full ones, and logs a row of the table in
// docs/performance.md:
//
//   - the size of the file;
//   - store, check and open: what a reload does with it in the serving process;
//   - own: the anonymous memory in the mappings of an image whose generation is retired;
//   - grown: by how much a retired generation makes the anonymous memory of the whole worker grow, with the heap and what the runtime
//     notes of an image.
//
// Times and own are medians; grown is an average from the third round on.
func BenchmarkSlim(b *testing.B) {
	for _, plugin := range []struct{ name, from, path string }{
		{"hello", "plugins/hello", "/hello"}, {"counter", "plugins/counter", "/counter"}, {"wordfreq", "plugins/wordfreq", "/wordfreq?top=1"},
		{"torture", "internal/build/testdata/torture", "/torture"},
	} {
		b.Run(plugin.name, func(b *testing.B) {
			src := newSourceOf(b, plugin.name, codeOf(b, filepath.Join(repository, plugin.from)))
			slim, full := newCompared(b, src, plugin.path), newCompared(b, src, plugin.path, "--full")
			for i := 0; b.Loop(); i++ {
				for turn := range 2 {
					if turn == i%2 {
						slim.round(b)
					} else {
						full.round(b)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			text := fmt.Sprintf("%d rounds\n| %s |", len(slim.took), plugin.name)
			row := func(name, unit string, s, f float64) {
				b.ReportMetric(s, name+"-"+unit)
				b.ReportMetric(s/f, name+"-ratio")
				text += fmt.Sprintf(" %s: %.4g of %.4g %s, %.3f |", name, s, f, unit, s/f)
			}
			row("size", "KB", float64(slim.size)/1e3, float64(full.size)/1e3)
			row("open", "ms", milliseconds(median(slim.took)), milliseconds(median(full.took)))
			row("own", "KB", median(slim.own)/1e3, median(full.own)/1e3)
			row("grown", "KB", slim.growth(b)/1e3, full.growth(b)/1e3)
			b.Log(text)
		})
	}
}

// codeOf returns a folder with the Go code of another, without its go.mod.
func codeOf(b *testing.B, from string) string {
	b.Helper()
	dir := b.TempDir()
	err := eachFile(from, func(file string, text []byte) {
		if strings.HasSuffix(file, ".go") {
			(&source{t: b, dir: dir}).write(file, string(text))
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// compared is a server with images of one kind of one plugin.
type compared struct {
	*daemon
	place  place
	name   string
	path   string // of a request
	images *cloner
	size   int64
	memory int64 // address space of an image

	image string // that serves, as the store names it
	left  int    // retired generations
	took  []time.Duration
	own   []float64 // bytes, of each image after it has left
	all   []int64   // bytes of the worker, before each round
}

func newCompared(b *testing.B, src *source, path string, flags ...string) *compared {
	b.Helper()
	first := src.buildFor(server, flags...)
	info, err := native.InspectFile(first)
	if err != nil {
		b.Fatal(err)
	}
	c := &compared{place: newPlace(b), name: src.name, path: path, images: newCloner(b, first, "example.com/"+src.name), size: info.Size, memory: info.MemSize}
	c.daemon = c.place.start(b, "--plugin", src.name+"="+first, "--old-generations=-1", "--old-memory=-1", "--old-goroutines=-1")
	c.round(b) // so that there is an image to leave
	c.took, c.own, c.all = nil, nil, nil
	return c
}

// round deploys one more image, and calls it.
func (c *compared) round(b *testing.B) {
	b.Helper()
	if c.image != "" {
		c.all = append(c.all, anonymous(b, c.status().Worker.PID, "", 0))
	}
	next := c.images.clone(b)
	r, err := c.client.Deploy(patient(b), control.DeployRequest{Images: map[string]string{c.name: next}})
	if err != nil {
		b.Fatal(err)
	}
	c.left++
	awaitThat(b, "the old generation is retired", func() bool { return c.status().Left.Generations == c.left })
	if c.image != "" {
		c.own = append(c.own, float64(anonymous(b, c.status().Worker.PID, c.image, c.memory)))
	}
	phases := byPhase(r.Moves[0].Phases)
	c.took = append(c.took, phases["store"]+phases["check"]+phases["open"])
	c.image = filepath.Join(c.place.store, "objects", imageID(b, next).String()+".so")
	if err := os.Remove(next); err != nil { // the store has it
		b.Fatal(err)
	}
	for range 3 {
		c.get(c.path)
	}
}

// growth returns by how many bytes the worker has grown in each round.
func (c *compared) growth(b *testing.B) float64 {
	const settled = 2 // rounds until the first images and the heap are in place
	b.Helper()
	if len(c.all) <= settled+1 {
		return 0
	}
	return float64(c.all[len(c.all)-1]-c.all[settled]) / float64(len(c.all)-1-settled)
}

// anonymous returns the anonymous memory of a process in bytes: all of it, or that of an image which takes size bytes from its first
// mapping on.
func anonymous(b *testing.B, pid int, image string, size int64) (sum int64) {
	b.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close() // read only
	var begin, start uint64
	counts := image == ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if from, _, ok := strings.Cut(fields[0], "-"); ok {
			if start, err = strconv.ParseUint(from, 16, 64); err != nil {
				b.Fatal(err)
			}
			named := fields[len(fields)-1] == image
			if named && begin == 0 {
				begin = start
			}
			counts = image == "" || begin > 0 && start < begin+uint64(size) && (named || len(fields) == 5) // the zeroed variables have no name
		} else if counts && fields[0] == "Anonymous:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			if n <<= 10; image != "" {
				n = min(n, int64(begin-start)+size) // the kernel joins what lies behind the variables
			}
			sum += n
		}
	}
	return sum
}

// BenchmarkLink builds a small plugin after a change of one line, as a slim image and as a full one by turns, and compares how long
// that takes from the start of the linker on: with what is done to link a slim image, and to finish and check any.
func BenchmarkLink(b *testing.B) {
	src := newSource(b, "hello")
	link := func(full bool, greeting string) time.Duration {
		src.edit("hello.go", `const greeting = "`, `const greeting = "`+greeting)
		r, err := build.Build(context.Background(), build.Options{Dir: src.dir, Host: server, Full: full, Output: filepath.Join(b.TempDir(), "hello.so")})
		if err != nil {
			b.Fatal(err)
		}
		if r.Slim == full {
			b.Fatalf("slim: %t: %s", r.Slim, r.WhyFull)
		}
		var took time.Duration
		for _, phase := range r.Phases[slices.IndexFunc(r.Phases, func(p build.Phase) bool { return p.Name == "link" }):] {
			took += phase.Took
		}
		return took
	}
	link(false, "cached ") // so is what doesn't change
	link(true, "cached ")
	var slim, full, ratios []float64
	for i := 0; b.Loop(); i++ {
		var took [2]time.Duration
		for turn := range 2 {
			k := (turn + i) % 2
			took[k] = link(k == 1, fmt.Sprint(i, k, " "))
		}
		slim, full = append(slim, milliseconds(took[0])), append(full, milliseconds(took[1]))
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(slim), "link-ms")
	b.ReportMetric(median(full), "full-ms")
	b.ReportMetric(median(ratios), "link-ratio")
}
