package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/internal/program"
)

// served are requests to a plugin of `sohost run` beside those to a program that has the handler compiled in: figures of both in
// each round.
type served struct {
	rates, tails []float64 // of the plugin, in multiples of the program's: requests a second, and the 99th percentile of what one takes
	triggered    []float64 // requests a second by a trigger of requests, in multiples of those by the plugin's route
	compiled     float64   // requests a second of the program
}

// answered is what a client has seen of a server.
type answered struct {
	rate float64 // requests a second
	tail float64 // the 99th percentile of what one took, in nanoseconds
}

// client sends requests for servedSlice on servedConnections.
type client func(address, path string) (answered, error)

// ownClient is the client that needs nothing installed.
func ownClient(address, path string) (answered, error) {
	s, err := send(address, path, servedText, servedConnections, servedSlice)
	if err != nil {
		return answered{}, err
	}
	return answered{s.rate(), s.percentile(99)}, nil
}

const (
	servedConnections = 32
	servedSlice       = time.Second
	servedText        = "from generation"

	servedRoute   = "/hello"
	servedTrigger = "/triggered"
)

// served measures them by turns.
func (b *builder) served(rounds int, with client) (s served, err error) {
	compiled, err := program.Start(program.Serving, nil, b.host("compiled"))
	if err != nil {
		return s, err
	}
	defer compiled.Stop()
	dir, err := os.MkdirTemp("", "served")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plugin, err := b.startServer(dir)
	if err != nil {
		return s, err
	}
	defer plugin.Stop()
	ways := [][2]string{{compiled.URL, servedRoute}, {plugin.URL, servedRoute}, {plugin.URL, servedTrigger}}
	var rates []float64
	for round := range 1 + rounds { // connections and caches are made in the first
		of := make([]answered, len(ways))
		for i := range ways {
			way := (i + round) % len(ways)
			address, path := strings.TrimPrefix(ways[way][0], "http://"), ways[way][1]
			if of[way], err = with(address, path); err != nil {
				return s, err
			}
		}
		if round > 0 {
			rates = append(rates, of[0].rate)
			s.rates = append(s.rates, of[1].rate/of[0].rate)
			s.tails = append(s.tails, of[1].tail/of[0].tail)
			s.triggered = append(s.triggered, of[2].rate/of[1].rate)
		}
	}
	s.compiled = lane.Median(rates)
	return s, nil
}

func (s served) String() string {
	return fmt.Sprintf("Requests through a plugin of `sohost run`, on %d connections: %.2f × as many a second as of the same handler compiled in "+
		"(%s), and the 99th percentile of their times is %.2f ×. By a trigger of requests it is %.2f × as many as by the plugin's route.",
		servedConnections, lane.Median(s.rates), thousands(s.compiled), lane.Median(s.tails), lane.Median(s.triggered))
}

const servedConfiguration = `
listen  = "127.0.0.1:0"
store   = "store"
control = "control.sock"

[plugin.hello]
image   = "hello.so"
routes  = ["` + servedRoute + `"]
trigger = [{ spec = "request:` + servedTrigger + `" }]
`

// startServer starts `sohost run` with the plugin hello, in a folder.
func (b *builder) startServer(dir string) (*program.Program, error) {
	source, err := filepath.Abs("../plugins/hello")
	if err != nil {
		return nil, err
	}
	if err := b.run(nil, b.sohost, "build", "-o", filepath.Join(dir, "hello.so"), source); err != nil {
		return nil, err
	}
	return program.Server(b.sohost, dir, servedConfiguration)
}
