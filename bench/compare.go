package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/bench/lane"
)

// A running contender is one with its host.
type running struct {
	contender
	host    *host
	figures figures
}

// figures are what was measured of one contender in each round, by what it is.
type figures map[string][]float64

// results are the figures of all contenders, in the order of the table.
type results []*running

// compare measures all contenders by turns, and then the memory that reloads have cost.
func (b *builder) compare(rounds, reloads int) (all results, err error) {
	if err := os.MkdirAll(filepath.Join(b.out, "plugins"), 0o755); err != nil {
		return nil, err
	}
	defer func() {
		for _, r := range all {
			err = errors.Join(err, r.host.end())
		}
	}()
	for _, c := range contenders {
		host, err := b.start(c.host, c.arg)
		if err != nil {
			return nil, err
		}
		all = append(all, &running{c, host, figures{}})
	}
	version := 0
	warm := 1 // round in which caches fill; one round alone proves only that everything works
	if rounds == 1 {
		warm = 0
	}
	for round := range warm + rounds {
		order := slices.Clone(all)
		for i := range order { // another one is the first in each round
			order[i] = all[(i+round)%len(all)]
		}
		for _, r := range order {
			version++
			if err := b.round(r, version); err != nil {
				return nil, err
			}
			if round < warm {
				r.figures = figures{}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, warm+rounds)
	}
	for _, r := range all {
		if err := b.memory(r, reloads, version+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// round measures one contender once: its plugin is built and loaded, and called.
func (b *builder) round(r *running, version int) error {
	if r.plugin != nil {
		file, took, err := b.build(r.plugin, version)
		if err != nil {
			return err
		}
		r.figures.add("build", took.Seconds())
		a, err := r.host.ask(lane.Order{Do: "load", File: file, Version: version})
		if err != nil {
			return err
		}
		r.figures.add("reload", a.Took.Seconds())
	}
	for _, t := range tasks {
		a, err := r.host.ask(t.order)
		if err != nil {
			return err
		}
		r.figures.add(t.name, a.Ratio)
		r.figures.add(t.name+" each", a.Each)
		r.figures.add(t.name+" direct", a.Direct)
	}
	return nil
}

// memory measures what one reload has left behind in the end, on average.
func (b *builder) memory(r *running, reloads, version int) error {
	if r.plugin == nil || reloads == 0 {
		return nil
	}
	base, _, err := b.build(r.plugin, 0)
	if err != nil {
		return err
	}
	next := func(version int) (file string, err error) {
		if r.plugin.unique {
			file, _, err = b.build(r.plugin, version)
			return file, err
		}
		return b.patched(base, version)
	}
	before, err := r.host.ask(lane.Order{Do: "memory"})
	if err != nil {
		return err
	}
	for i := range reloads {
		file, err := next(version + i)
		if err != nil {
			return err
		}
		if _, err := r.host.ask(lane.Order{Do: "load", File: file, Version: version + i}); err != nil {
			return err
		}
	}
	after, err := r.host.ask(lane.Order{Do: "memory"})
	if err != nil {
		return err
	}
	r.figures.add("memory", float64(after.Bytes-before.Bytes)/float64(reloads))
	return nil
}

func (f figures) add(name string, value float64) { f[name] = append(f[name], value) }

// of returns the median of what was measured, and whether anything was.
func (f figures) of(name string) (float64, bool) {
	if len(f[name]) == 0 {
		return 0, false
	}
	return lane.Median(f[name]), true
}
