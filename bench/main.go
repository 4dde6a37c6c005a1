// Bench compares ways to replace code in a running Go program, this project among them, on the same work. It prints a table, and
// draws how old generations slow their process down. It is run by `make bench` and `make compare`.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// enough is how many rounds make figures that may be published.
const enough = 7

func run() error {
	rounds := flag.Int("rounds", enough, "`number` of rounds; figures are their medians. Fewer than 7 only show that everything works")
	tool := flag.String("sohost", "../build/sohost", "the `command` that builds plugins for this project")
	out := flag.String("out", "../build/bench", "`directory` for what is built, and for the results")
	publish := flag.Bool("publish", false, "write the results of 7 rounds or more into README.md and docs/, too")
	wrk := flag.Bool("wrk", false, "with -requests, send them with wrk, which must be installed, instead of a client of its own")
	only := flag.Bool("requests", false, "measure only requests through a plugin, beside the handler compiled in")
	flag.Parse()

	b := &builder{dir: "."}
	var err error
	if b.out, err = filepath.Abs(*out); err != nil {
		return err
	}
	if b.sohost, err = filepath.Abs(*tool); err != nil {
		return err
	}
	env := newEnvironment()
	if err := b.buildHosts(); err != nil {
		return err
	}
	if *only {
		with := client(ownClient)
		if *wrk {
			with = wrkClient
		}
		requests, err := b.served(*rounds, with)
		if err == nil {
			env.end()
			fmt.Printf("%s\n%s\n", requests, env)
		}
		return err
	}
	reloads, generations, growthRounds := 25, 512, 3
	if *rounds < enough {
		reloads, generations, growthRounds = 3, 32, 1
	}
	results, err := b.compare(*rounds, reloads)
	if err != nil {
		return err
	}
	requests, err := b.served(*rounds, ownClient)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n%s\n\n", results.table(), results.spread(), requests)
	curves, err := b.growth(growthRounds, generations)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.out, "generations.svg"), []byte(draw(curves)), 0o644); err != nil {
		return err
	}
	env.end()
	fmt.Printf("%s\n%s\n", curveTable(curves), env)
	if *publish && *rounds >= enough {
		return publishAll(env, results, requests, curves)
	}
	return nil
}
