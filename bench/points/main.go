// Points measures how many points per second go through a plugin that doubles a field: in this server, and in Telegraf as a script of its
// starlark processor and as a program beside it (execd). Each gets the same requests, of line protocol over HTTP, and writes what comes out
// of it to a file; the time ends when the file has all of it, and its sum is checked. It prints medians of several rounds in which all take
// turns.
//
//	go run ./points -sohost ../build/sohost -telegraf PROGRAM
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	var b bench
	flag.StringVar(&b.sohost, "sohost", "../build/sohost", "this `program`")
	flag.StringVar(&b.telegraf, "telegraf", "", "Telegraf's `program`; without it only sohost is measured")
	flag.IntVar(&b.points, "points", 500_000, "`number` of points in a measurement")
	rounds := flag.Int("rounds", 7, "`number` of rounds")
	flag.Parse()
	if err := b.run(*rounds); err != nil {
		fmt.Fprintln(os.Stderr, "points:", err)
		os.Exit(1)
	}
}

// bench is a comparison.
type bench struct {
	sohost, telegraf string
	points           int
	dir              string
}

func (b *bench) run(rounds int) (err error) {
	if b.sohost, err = filepath.Abs(b.sohost); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "sohost-points-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	ways, err := b.ways()
	if err != nil {
		return err
	}
	runs := map[string][]result{}
	for range rounds {
		for _, w := range ways {
			for _, cores := range []int{1, 2} {
				r, err := b.measure(w, cores)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				key := fmt.Sprint(w.name, cores)
				runs[key] = append(runs[key], r)
			}
		}
	}
	fmt.Println("| points per second | GOMAXPROCS=1 | GOMAXPROCS=2 | CPU for a point |\n|---|---|---|---|")
	for _, w := range ways {
		fmt.Printf("| %s | %s | %s | %s |\n", w.name, b.cell(runs, w.name, 1), b.cell(runs, w.name, 2), b.cpuCell(runs, w.name))
	}
	return nil
}

// result is what came of a measurement.
type result struct {
	rate float64       // points per second
	cpu  time.Duration // for a point
}

// cpuCell returns how much CPU time a point takes with one processor, with its spread.
func (b *bench) cpuCell(runs map[string][]result, name string) string {
	var all []time.Duration
	for _, r := range runs[fmt.Sprint(name, 1)] {
		all = append(all, r.cpu)
	}
	slices.Sort(all)
	µs := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Microsecond)) }
	return fmt.Sprintf("%s µs (%s to %s)", µs(all[len(all)/2]), µs(all[0]), µs(all[len(all)-1]))
}

// cell returns a median with its spread, and how many times that of the starlark script it is.
func (b *bench) cell(runs map[string][]result, name string, cores int) string {
	all := ratesOf(runs, name, cores)
	text := fmt.Sprintf("%.0f (%.0f to %.0f)", all[len(all)/2], all[0], all[len(all)-1])
	if script := ratesOf(runs, starlark, cores); len(script) > 0 {
		text = fmt.Sprintf("%.1f ×, %s", all[len(all)/2]/cmp.Or(script[len(script)/2], 1), text)
	}
	return text
}

func ratesOf(runs map[string][]result, name string, cores int) (all []float64) {
	for _, r := range runs[fmt.Sprint(name, cores)] {
		all = append(all, r.rate)
	}
	slices.Sort(all)
	return all
}

// measure starts a program, has it take all points, and returns how long that took.
func (b *bench) measure(w way, cores int) (r result, err error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return r, err
	}
	p, err := w.start(dir, cores)
	if err != nil {
		return r, err
	}
	defer p.Stop()
	before, err := cpu(p.PID)
	if err != nil {
		return r, err
	}
	bodies, sum := b.bodies()
	begun := time.Now()
	if err := post(p.URL+w.path, bodies); err != nil {
		return r, err
	}
	took, err := await(filepath.Join(dir, "out.lp"), b.points, sum*w.factor, begun)
	if err != nil {
		return r, err
	}
	after, err := cpu(p.PID)
	return result{float64(b.points) / took.Seconds(), (after - before) / time.Duration(b.points)}, err
}
