package build

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	pairCount = flag.Int("pairs", 6, "random pairs of host and plugin in TestPairs")
	pairSeed  = flag.Uint64("pair-seed", 1, "where the random pairs of TestPairs begin")
)

// TestPairs builds random plugins for random hosts, some of which have little more than package native, and opens slim and full images
// side by side. A slim image answers what the full one does. Another host than it was built for opens it, too, or refuses it by name.
func TestPairs(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds some hosts and many images; make pairs runs it")
	}
	p := newPairs(t)
	hosts, each := max(2, *pairCount/10), min(10, max(1, *pairCount/2))
	for range max(3, *pairCount/5) {
		p.addPlugin()
	}
	for i := range hosts {
		packages := 0
		if i%4 > 1 {
			packages = 2 + p.rnd.IntN(40)
		}
		p.addHost(packages, i%2 == 0) // every fourth is thin
		p.pair(i, each)
	}
	for i := range hosts {
		p.offer((i+1)%hosts, i)
	}
	t.Logf("seed %d: %d hosts and %d plugins; %d slim images and %d full ones; other hosts opened %d and refused %d",
		*pairSeed, hosts, len(p.plugins), p.slim, p.full, p.opened, p.refused)
	if p.slim == 0 || p.refused == 0 && *pairCount > 50 {
		t.Error("the programs are too similar to each other")
	}
}

// pairs are random hosts and plugins, with the images of the plugins for hosts.
type pairs struct {
	t       *testing.T
	rnd     *rand.Rand
	world   *world
	dir     string
	plugins []pairPlugin
	hosts   []pairHost

	slim, full, opened, refused int
}

// pairPlugin is a plugin with its full image.
type pairPlugin struct {
	dir, image string
}

// pairHost is a host with images that were built for it.
type pairHost struct {
	program string
	images  map[int]string // by plugin
}

func newPairs(t *testing.T) *pairs {
	return &pairs{t: t, rnd: rand.New(rand.NewPCG(*pairSeed, 1)), world: newWorld(t), dir: t.TempDir()}
}

// module writes a module with a package main and returns its folder.
func (p *pairs) module(name, source string) string {
	p.t.Helper()
	dir := filepath.Join(p.dir, name)
	write(p.t, filepath.Join(dir, "main.go"), source)
	write(p.t, filepath.Join(dir, "go.mod"), "module example.com/"+name+"\n\ngo 1.26.0\n\nrequire "+abiModule+" v0.0.0\n\nreplace "+abiModule+" => "+must(filepath.Abs("../.."))+"\n")
	return dir
}

func (p *pairs) addPlugin() {
	p.t.Helper()
	name := fmt.Sprintf("plugin%d", len(p.plugins))
	p.plugins = append(p.plugins, pairPlugin{dir: p.module(name, p.world.pluginSource(p.rnd, 1+p.rnd.IntN(15)))})
}

func (p *pairs) addHost(packages int, std bool) {
	p.t.Helper()
	dir := p.module(fmt.Sprintf("host%d", len(p.hosts)), p.world.hostSource(p.rnd, packages, std))
	cmd := exec.Command("go", "build", "-trimpath", "-o", "host", ".")
	cmd.Dir, cmd.Env = dir, testEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("build %s: %v\n%s", dir, err, out)
	}
	p.hosts = append(p.hosts, pairHost{program: filepath.Join(dir, "host"), images: map[int]string{}})
}

// pair builds some plugins for a host, and compares what their slim and full images answer there.
func (p *pairs) pair(i, count int) {
	p.t.Helper()
	h := &p.hosts[i]
	plugins := p.rnd.Perm(len(p.plugins))
	plugins = plugins[:min(count, len(plugins))]
	var images []string
	for _, k := range plugins {
		plugin := &p.plugins[k]
		if plugin.image == "" {
			plugin.image, _ = p.build(h, k, true)
		}
		h.images[k], _ = p.build(h, k, false)
		both := []string{h.images[k], plugin.image}
		p.rnd.Shuffle(2, func(i, j int) { both[i], both[j] = both[j], both[i] })
		images = append(images, both...)
	}
	answers := p.ask(h, images)
	for j, k := range plugins {
		if slim, full := answers[2*j], answers[2*j+1]; slim != full || !strings.HasPrefix(slim, `"`) || isRefusal(slim) {
			p.t.Errorf("plugin %d on host %d: %s answers\n%s and %s\n%s", k, i, images[2*j], slim, images[2*j+1], full)
		}
	}
}

// build builds an image of a plugin for a host, and says why it is full if it needn't be.
func (p *pairs) build(h *pairHost, plugin int, full bool) (image, why string) {
	p.t.Helper()
	dir := p.plugins[plugin].dir
	kind := map[bool]string{true: "full", false: "slim"}[full]
	out := filepath.Join(filepath.Dir(h.program), fmt.Sprintf("%s%d.so", kind, plugin))
	r, err := Build(p.t.Context(), Options{Dir: dir, Host: h.program, Env: testEnv(), Output: out, Full: full})
	if err != nil {
		p.t.Fatalf("plugin %d for %s: %v", plugin, h.program, err)
	}
	switch {
	case full:
	case r.Slim:
		p.slim++
	case r.WhyFull == "":
		p.t.Errorf("plugin %d for %s: the image is full, without a word", plugin, h.program)
	default:
		p.full++
		p.t.Logf("plugin %d for %s is full: %s", plugin, filepath.Base(filepath.Dir(h.program)), r.WhyFull)
	}
	return r.Output, r.WhyFull
}

// offer offers the images that were built for one host to another.
func (p *pairs) offer(to, from int) {
	p.t.Helper()
	h := &p.hosts[to]
	var images []string
	for k, image := range p.hosts[from].images {
		images = append(images, image, p.plugins[k].image)
	}
	answers := p.ask(h, images)
	for j := 0; j < len(answers); j += 2 {
		theirs, full := answers[j], answers[j+1]
		switch {
		case isRefusal(theirs):
			p.refused++
			if !strings.Contains(theirs, "lacks") && !strings.Contains(theirs, "doesn't have") {
				p.t.Errorf("host %d refuses %s without a name: %s", to, images[j], theirs)
			}
		case theirs != full:
			p.t.Errorf("host %d: %s answers\n%s and %s\n%s", to, images[j], theirs, images[j+1], full)
		default:
			p.opened++
		}
	}
}

func isRefusal(answer string) bool { return strings.HasPrefix(answer, `"refused: `) }

// ask opens the images in one process and returns its answers. It collects garbage all the time.
func (p *pairs) ask(h *pairHost, images []string) []string {
	p.t.Helper()
	cmd := exec.Command(h.program, images...)
	cmd.Env = append(cmd.Environ(), "GOGC=5")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s\n%s", h.program, strings.Join(images, " "), err, out, stderr.String())
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(images) || slices.ContainsFunc(answers, func(a string) bool { _, err := strconv.Unquote(a); return err != nil }) {
		p.t.Fatalf("%s answers %d images with\n%s", h.program, len(images), out)
	}
	return answers
}
