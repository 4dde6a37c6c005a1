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
	compiled     float64   // requests a second of the program
}

const (
	servedConnections = 32
	servedSlice       = time.Second
	servedText        = "from generation"
)

// served measures both by turns.
func (b *builder) served(rounds int) (s served, err error) {
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
	var rates []float64
	for round := range 1 + rounds { // connections and caches are made in the first
		of := map[string]sent{}
		for i := range 2 {
			url := []string{compiled.URL, plugin.URL}[(i+round)%2]
			if of[url], err = send(strings.TrimPrefix(url, "http://"), "/hello", servedText, servedConnections, servedSlice); err != nil {
				return s, err
			}
		}
		if round > 0 {
			rates = append(rates, of[compiled.URL].rate())
			s.rates = append(s.rates, of[plugin.URL].rate()/of[compiled.URL].rate())
			s.tails = append(s.tails, of[plugin.URL].percentile(99)/of[compiled.URL].percentile(99))
		}
	}
	s.compiled = lane.Median(rates)
	return s, nil
}

func (s served) String() string {
	return fmt.Sprintf("Requests through a plugin of `sohost run`, on %d connections: %.2f × as many a second as of the same handler compiled in "+
		"(%s), and the 99th percentile of their times is %.2f ×.", servedConnections, lane.Median(s.rates), thousands(s.compiled), lane.Median(s.tails))
}

const servedConfiguration = `
listen  = "127.0.0.1:0"
store   = "store"
control = "control.sock"

[plugin.hello]
image  = "hello.so"
routes = ["/hello"]
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
