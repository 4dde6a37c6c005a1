package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// BenchmarkReloadRatio compares, by turns, the reload of a slim image with what a program without sohost does with a full
// image of the same plugin: read it, hash it, copy it, call plugin.Open. Every image is new, and written just before. The
// reload's time ends when the new code has answered a request, of which there is one each millisecond. deploy-ratio is that
// of the time until Deploy returns, when the release is written and old ones are removed. Each round waits until the server
// is idle again.
func BenchmarkReloadRatio(b *testing.B) {
	src := newSource(b, "hello")
	slim := src.build()
	full := src.image("full "+server, func(out string) { src.run(src.dir, tool, "build", "--full", "--host", server, "-o", out, ".") })
	slims, fulls := newCloner(b, slim, "example.com/hello"), newCloner(b, full, "example.com/hello")
	bare := startBare(b)
	d := newPlace(b).start(b, "--plugin", "hello="+slim)
	other := &http.Client{Transport: new(wire), Timeout: patience}
	var ratios, whole, reloads, bares []float64
	phases := map[string][]time.Duration{}
	for b.Loop() {
		theirs := bare.open(b, fulls.clone(b))
		image := slims.clone(b)
		_, old, err := send(other, get(d.url+"/hello"))
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		answered := make(chan time.Duration, 1)
		go func() {
			for ; ; time.Sleep(time.Millisecond) {
				if _, generation, err := send(other, get(d.url+"/hello")); err != nil || generation != old {
					answered <- time.Since(begin)
					return
				}
			}
		}()
		r, err := d.client.Deploy(patient(b), control.DeployRequest{Images: map[string]string{"hello": image}})
		if err != nil {
			b.Fatal(err)
		}
		deployed, ours := time.Since(begin), <-answered
		whole, ratios = append(whole, float64(deployed)/float64(theirs)), append(ratios, float64(ours)/float64(theirs))
		reloads, bares = append(reloads, inMS(ours)), append(bares, inMS(theirs))
		for name, took := range byPhase(r.Moves[0].Phases) {
			phases[name] = append(phases[name], took)
		}
		awaitThat(b, "the child of the next probe waits", func() bool { return d.status().SpareProbe != nil })
		time.Sleep(100 * time.Millisecond) // it has begun to wait by then
	}
	first := min(1, len(ratios)-1) // the first probe has to start its child
	ratios, whole = ratios[first:], whole[first:]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(ratios, 0.5), "reload-ratio")
	b.ReportMetric(quantile(whole, 0.5), "deploy-ratio")
	text := fmt.Sprintf("reload/bare %.2f (%.2f to %.2f); reload %.1f ms, bare %.1f ms, of a slim image of %d KB and a full one of %d KB;",
		quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75), quantile(reloads, 0.5), quantile(bares, 0.5),
		size(b, slim)>>10, size(b, full)>>10)
	for _, name := range []string{"store", "check", "probe", "open", "callers-wait", "publish"} {
		text += fmt.Sprintf(" %s %.1f", name, inMS(median(phases[name])))
	}
	b.Log(text)
}

// BenchmarkOthers measures how long callers of one plugin wait while another is reloaded again and again, and while nothing is, by
// turns. It reports the ratio of the 99.9th percentiles in a round, the median of all, and those of all calls in the log.
func BenchmarkOthers(b *testing.B) {
	src, hello := newSource(b, "counter"), newSource(b, "hello")
	clones := newCloner(b, src.build(), "example.com/counter")
	d := newPlace(b).start(b, "--plugin", "counter="+clones.clone(b), "--plugin", "hello="+hello.build())
	client := &http.Client{Transport: new(wire), Timeout: patience}
	calls := func(reloads int) (took []float64) {
		images := make([]string, reloads) // made before: the clients of a server don't wait for who builds its images
		for i := range images {
			images[i] = clones.clone(b)
		}
		done := make(chan error, 1)
		go func() {
			var err error
			for _, image := range images {
				_, err = d.client.Deploy(patient(b), control.DeployRequest{Images: map[string]string{"counter": image}})
				time.Sleep(pauseOfReloads)
			}
			done <- err
		}()
		for end := time.Now().Add(window); time.Now().Before(end); time.Sleep(pauseOfCalls) {
			begin := time.Now()
			if _, _, err := send(client, get(d.url+"/hello")); err != nil {
				b.Fatal(err)
			}
			took = append(took, inMS(time.Since(begin)))
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		return took
	}
	var ratios, with, without []float64
	for b.Loop() {
		if len(ratios) == rounds {
			continue
		}
		during, quiet := calls(reloadsInWindow), calls(0)
		ratios = append(ratios, quantile(during, 0.999)/quantile(quiet, 0.999))
		with, without = append(with, during...), append(without, quiet...)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(ratios, 0.5), "p99.9-ratio")
	b.Logf("p99.9 %.2f ms during reloads, %.2f ms without; p99 %.2f and %.2f, median %.2f and %.2f; p99.9 in a round %.2f (%.2f to %.2f)",
		quantile(with, 0.999), quantile(without, 0.999), quantile(with, 0.99), quantile(without, 0.99), quantile(with, 0.5),
		quantile(without, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
}

// rounds is how many rounds the long benchmarks have at most.
const rounds = 9

// A window has a reload a second, as when somebody saves all the time.
const (
	window          = 2 * time.Second
	reloadsInWindow = 2
	pauseOfReloads  = 900 * time.Millisecond
	pauseOfCalls    = 500 * time.Microsecond
)

// bare is a process of testdata/bare.
type bare struct {
	in  io.Writer
	out *bufio.Reader
	end func()
}

func startBare(b *testing.B) *bare {
	b.Helper()
	program := filepath.Join(scratch, "bare")
	if err := goBuild(repository, program, "./integration/testdata/bare", nil); err != nil {
		b.Fatal(err)
	}
	cmd := command(b.Context(), program, b.TempDir())
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if inErr != nil || outErr != nil {
		b.Fatal(inErr, outErr)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	end := sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	b.Cleanup(end)
	return &bare{in, bufio.NewReader(out), end}
}

// open has the process open an image, and returns how long that took.
func (p *bare) open(b *testing.B, image string) (took time.Duration) {
	b.Helper()
	if _, err := fmt.Fprintln(p.in, image); err != nil {
		b.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &took)
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantile(of []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}

func size(b *testing.B, file string) int64 {
	fi, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return fi.Size()
}

// BenchmarkBoot compares, by turns, the boot of a hundred plugins from the store, which verifies, probes and opens their slim images, with
// reading, hashing and copying the full images of the same plugins and calling plugin.Open, one after the other. The boot's time is
// that from the start of the server until all plugins serve.
func BenchmarkBoot(b *testing.B) {
	const plugins = 100
	src := newSource(b, "hello")
	slims := newCloner(b, src.build(), "example.com/hello")
	full := src.image("full "+server, func(out string) { src.run(src.dir, tool, "build", "--full", "--host", server, "-o", out, ".") })
	fulls := newCloner(b, full, "example.com/hello")
	var args, images []string
	for i := range plugins {
		args = append(args, "--plugin", fmt.Sprintf("p%d=%s", i, slims.clone(b)))
		images = append(images, fulls.clone(b))
	}
	p := newPlace(b)
	up := func() time.Duration {
		begin := time.Now()
		d := p.start(b, args...)
		awaitThat(b, "all plugins serve", func() bool { return d.status().Booting == nil })
		took := time.Since(begin)
		if n := len(d.status().Plugins); n != plugins {
			b.Fatalf("%d plugins", n)
		}
		d.terminate()
		return took
	}
	up() // fills the store
	var ratios, boots, bares []float64
	for b.Loop() {
		if len(ratios) == rounds {
			continue
		}
		theirs, bare := time.Duration(0), startBare(b)
		for _, image := range images {
			theirs += bare.open(b, image)
		}
		bare.end()
		ours := up()
		ratios = append(ratios, float64(ours)/float64(theirs))
		boots, bares = append(boots, inMS(ours)), append(bares, inMS(theirs))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(ratios, 0.5), "boot-ratio")
	b.Logf("boot/bare %.2f (%.2f to %.2f); boot %.0f ms, bare %.0f ms", quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75),
		quantile(boots, 0.5), quantile(bares, 0.5))
}
