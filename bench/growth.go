package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/internal/clone"
	"github.com/sohost/sohost/native"
)

// A kind of images is one whose old generations add up.
type kind struct {
	name   string
	source string // of the plugin, in this repository
	full   bool
	counts []int // of old generations at which is measured
}

var kinds = []kind{
	{"slim, 31 KB", "../plugins/hello", false, []int{0, 16, 32, 64, 128, 256, 512}},
	{"full, 9 MB", "../plugins/hello", true, []int{0, 8, 16, 32, 64}},
}

// A cost is what old generations make slower.
type cost struct {
	name, unit string
	per        float64 // of the unit in a second
}

var costs = []cost{
	{"a reload", "ms", 1e3},
	{"a collection", "ms of CPU", 1e3},
	{"a recovered panic", "µs", 1e6},
}

// A curve is what one thing costs beside old generations of one kind: medians.
type curve struct {
	kind, cost string
	x          []int
	y          []float64
}

// growth measures the costs in rounds, each kind in a new process.
func (b *builder) growth(rounds, most int) ([]curve, error) {
	deep, err := b.image("deep", "./plugins/deep", false)
	if err != nil {
		return nil, err
	}
	var curves []curve
	for _, k := range kinds {
		image, err := b.image("grown", k.source, k.full)
		if err != nil {
			return nil, err
		}
		measured := map[int][]float64{} // by count and cost
		var counts []int
		for _, count := range k.counts {
			if count <= most {
				counts = append(counts, count)
			}
		}
		for round := range rounds {
			if err := b.grow(image, deep, counts, measured); err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			fmt.Fprintf(os.Stderr, "old generations, %s: round %d of %d\n", k.name, round+1, rounds)
		}
		for c, cost := range costs {
			curve := curve{k.name, cost.name, counts, nil}
			for i := range counts {
				curve.y = append(curve.y, lane.Median(measured[i*len(costs)+c])*cost.per)
			}
			curves = append(curves, curve)
		}
	}
	return curves, nil
}

// idle is how long a host has for what follows a reload, before something else is measured.
const idle = 150 * time.Millisecond

// grow measures all costs in one process, as it fills.
func (b *builder) grow(image, deep *images, counts []int, measured map[int][]float64) (err error) {
	host, err := b.start("growth")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.end()) }()
	for _, i := range []*images{image, deep} { // the first of each is dearer
		if _, err := host.deploy(i); err != nil {
			return err
		}
	}
	for i, count := range counts {
		if err := host.fill(image, count); err != nil {
			return err
		}
		note := func(cost int, a lane.Answer) {
			at := i*len(costs) + cost
			measured[at] = append(measured[at], a.Took.Seconds())
		}
		for range 3 {
			time.Sleep(idle)
			a, err := host.deploy(image)
			if err != nil {
				return err
			}
			note(0, a)
		}
		if _, err := host.deploy(deep); err != nil { // panics come from the newest code
			return err
		}
		time.Sleep(idle)
		for cost, do := range map[int]string{1: "collect", 2: "panic"} {
			a, err := host.ask(lane.Order{Do: do})
			if err != nil {
				return err
			}
			note(cost, a)
		}
	}
	return nil
}

// fill opens images until there are that many besides the two that serve.
func (h *host) fill(of *images, count int) error {
	a, err := h.ask(lane.Order{Do: "open"})
	for open := a.Count - 2; err == nil && open < count; open++ {
		var file string
		if file, err = of.next(); err == nil {
			_, err = h.ask(lane.Order{Do: "open", Files: []string{file}})
		}
	}
	return err
}

func (h *host) deploy(of *images) (lane.Answer, error) {
	file, err := of.next()
	if err != nil {
		return lane.Answer{}, err
	}
	defer os.Remove(file)
	return h.ask(lane.Order{Do: "deploy", Plugin: of.plugin, File: file})
}

// images are as many as wanted of one plugin.
type images struct {
	plugin string // for the host
	clones *clone.Cloner
	seal   native.Seal
	dir    string
}

// image builds a plugin for the host growth.
func (b *builder) image(plugin, source string, full bool) (*images, error) {
	dir := filepath.Join(b.out, "growth")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, plugin+".so")
	source, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	if err := b.run(nil, b.sohost, "build", "--host", b.host("growth"), fmt.Sprintf("--full=%t", full), "-o", file, source); err != nil {
		return nil, err
	}
	info, err := native.InspectFile(file)
	if err != nil {
		return nil, err
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	id := isolatedPath.FindStringSubmatch(info.PluginPath)
	if id == nil || info.Seal == nil {
		return nil, fmt.Errorf("%s is no isolated image", file)
	}
	clones, err := clone.New(image, "_g", id[1])
	return &images{plugin, clones, *info.Seal, dir}, err
}

// isolatedPath is what the private packages of an isolated image look like.
var isolatedPath = regexp.MustCompile(`_g([A-Za-z0-9_]{12})$`)

// next writes one more image.
func (i *images) next() (string, error) {
	image, id := i.clones.Clone()
	file := filepath.Join(i.dir, i.plugin+"-"+id+".so")
	if err := os.WriteFile(file, image, 0o644); err != nil {
		return "", err
	}
	return file, native.SealFile(file, isolatedPath.MatchString, i.seal)
}

// curveTable returns the curves in Markdown, a row for each number of old generations.
func curveTable(curves []curve) string {
	head := []string{"old generations"}
	cells := map[int][]string{}
	for i, c := range curves {
		head = append(head, fmt.Sprintf("%s: %s", c.kind, c.cost))
		for j, n := range c.x {
			if cells[n] == nil {
				cells[n] = make([]string, len(curves))
			}
			cells[n][i] = fmt.Sprintf("%.3g %s", c.y[j], c.unit())
		}
	}
	rows := [][]string{head}
	for _, n := range slices.Sorted(maps.Keys(cells)) {
		rows = append(rows, append([]string{strconv.Itoa(n)}, cells[n]...))
	}
	return markdown(rows)
}

func (c curve) unit() string {
	for _, cost := range costs {
		if cost.name == c.cost {
			return cost.unit
		}
	}
	return ""
}
