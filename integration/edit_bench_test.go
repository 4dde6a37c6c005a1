package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// edited is a plugin whose source is changed by one line again and again.
type edited struct {
	*source
	file, before, after string // the line, around what changes
	text                string
}

func newEdited(b *testing.B, s *source, file, line string) *edited {
	b.Helper()
	before, rest, _ := strings.Cut(line, `"`)
	text, after, _ := strings.Cut(rest, `"`)
	return &edited{source: s, file: file, before: before + `"`, after: `"` + after, text: text}
}

// change changes the line to a text that it never had.
func (e *edited) change() {
	text := fmt.Sprint("text ", time.Now().UnixNano())
	e.source.edit(e.file, e.before+e.text+e.after, e.before+text+e.after)
	e.text = text
}

// plain builds the plugin as people do without sohost, after a change, and returns how long that takes.
func (e *edited) plain() time.Duration {
	e.change()
	return e.took("go", "build", "-buildmode=plugin", "-trimpath", "-ldflags=-w", "-o", filepath.Join(e.dir, "..", "plain.so"), ".")
}

func (e *edited) took(name string, args ...string) time.Duration {
	begin := time.Now()
	e.run(e.dir, name, args...)
	return time.Since(begin)
}

// BenchmarkEdit builds plugins after changes of one line, by turns with `sohost build` and with the go command alone, and reports the median
// of the ratios: hello is small, and gin has forty modules of its own.
func BenchmarkEdit(b *testing.B) {
	b.Run("hello", func(b *testing.B) {
		benchmarkEdit(b, newEdited(b, newSource(b, "hello"), "hello.go", `greeting = "hello"`))
	})
	b.Run("gin", func(b *testing.B) {
		benchmarkEdit(b, newEdited(b, reals[0].source(b), "plugin.go", `revision = "first"`))
	})
}

func benchmarkEdit(b *testing.B, e *edited) {
	ours := func() time.Duration {
		e.change()
		return e.took(tool, "build", "--host", server, "-o", filepath.Join(e.dir, "..", "ours.so"), ".")
	}
	e.plain() // the first of each compiles everything
	ours()
	var ratios []float64
	var plain []time.Duration
	for b.Loop() {
		p := e.plain()
		plain = append(plain, p)
		ratios = append(ratios, float64(ours())/float64(p))
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(float64(median(plain).Milliseconds()), "plain-ms")
}

// BenchmarkDev saves a changed line while `sohost dev` runs, and waits until the server answers with it. It compares that with a build by
// the go command alone. What may be added to 0.8 of that is reported, too: 30 ms are wanted.
func BenchmarkDev(b *testing.B) {
	b.Run("hello", func(b *testing.B) {
		benchmarkDev(b, newEdited(b, newSource(b, "hello"), "hello.go", `greeting = "hello"`))
	})
	b.Run("gin", func(b *testing.B) {
		benchmarkDev(b, newEdited(b, reals[0].source(b), "plugin.go", `revision = "first"`))
	})
}

func benchmarkDev(b *testing.B, e *edited) {
	p := newPlace(b)
	d := p.start(b, "--plugins", p.plugins)
	dev := develop(b, e.source, p)
	dev.await(" live: ")
	e.plain()
	dev.await(" live: ") // it was saved, too
	// Dev is at rest while the go command builds a source that isn't watched, and so has the machine to itself.
	quiet := &edited{source: &source{t: b, name: e.name, dir: copyOf(b, e.dir)}, file: e.file, before: e.before, after: e.after, text: e.text}
	var ratios []float64
	var answered, plain, more []time.Duration
	for b.Loop() {
		begin := time.Now()
		e.change()
		dev.await(" live: ")
		if body, _ := d.get("/" + e.name); !strings.Contains(body, e.text+" ") {
			b.Fatalf("the server answers %q, want %q", body, e.text)
		}
		ours, theirs := time.Since(begin), quiet.plain()
		answered, plain, more = append(answered, ours), append(plain, theirs), append(more, ours-theirs*8/10)
		ratios = append(ratios, float64(ours)/float64(theirs))
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(inMS(median(answered)), "answer-ms")
	b.ReportMetric(inMS(median(plain)), "plain-ms")
	b.ReportMetric(inMS(median(more)), "more-ms")
}

// copyOf returns a copy of a directory.
func copyOf(b *testing.B, dir string) string {
	b.Helper()
	to := filepath.Join(b.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	return to
}
