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
	flag.IntVar(&b.points, "points", 200_000, "`number` of points in a measurement")
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
	rates := map[string][]float64{}
	for range rounds {
		for _, w := range ways {
			for _, cores := range []int{1, 2} {
				took, err := b.measure(w, cores)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				key := fmt.Sprint(w.name, cores)
				rates[key] = append(rates[key], float64(b.points)/took.Seconds())
			}
		}
	}
	fmt.Println("| points per second | GOMAXPROCS=1 | GOMAXPROCS=2 |\n|---|---|---|")
	for _, w := range ways {
		fmt.Printf("| %s | %s | %s |\n", w.name, b.cell(rates, w.name, 1), b.cell(rates, w.name, 2))
	}
	return nil
}

// cell returns a median with its spread, and how many times that of the starlark script it is.
func (b *bench) cell(rates map[string][]float64, name string, cores int) string {
	all := slices.Sorted(slices.Values(rates[fmt.Sprint(name, cores)]))
	text := fmt.Sprintf("%.0f (%.0f to %.0f)", all[len(all)/2], all[0], all[len(all)-1])
	if script := slices.Sorted(slices.Values(rates[fmt.Sprint(starlark, cores)])); len(script) > 0 {
		text = fmt.Sprintf("%.1f ×, %s", all[len(all)/2]/cmp.Or(script[len(script)/2], 1), text)
	}
	return text
}

// measure starts a program, has it take all points, and returns how long that took.
func (b *bench) measure(w way, cores int) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return 0, err
	}
	p, err := w.start(dir, cores)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	bodies, sum := b.bodies()
	begun := time.Now()
	if err := post(p.URL+w.path, bodies); err != nil {
		return 0, err
	}
	return await(filepath.Join(dir, "out.lp"), b.points, sum*w.factor, begun)
}
