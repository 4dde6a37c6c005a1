package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/bench/lane"
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
	compiled, stop, err := b.startCompiled()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	plugin, stopPlugin, err := b.startServer()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stopPlugin()) }()
	var rates []float64
	for round := range 1 + rounds { // connections and caches are made in the first
		of := map[string]sent{}
		for i := range 2 {
			address := []string{compiled, plugin}[(i+round)%2]
			if of[address], err = send(address, "/hello", servedText, servedConnections, servedSlice); err != nil {
				return s, err
			}
		}
		if round > 0 {
			rates = append(rates, of[compiled].rate())
			s.rates = append(s.rates, of[plugin].rate()/of[compiled].rate())
			s.tails = append(s.tails, of[plugin].percentile(99)/of[compiled].percentile(99))
		}
	}
	s.compiled = lane.Median(rates)
	return s, nil
}

func (s served) String() string {
	return fmt.Sprintf("Requests through a plugin of `sohost run`, on %d connections: %.2f × as many a second as of the same handler compiled in "+
		"(%s), and the 99th percentile of their times is %.2f ×.", servedConnections, lane.Median(s.rates), thousands(s.compiled), lane.Median(s.tails))
}

// startCompiled starts the program that has the handler compiled in.
func (b *builder) startCompiled() (address string, stop func() error, err error) {
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	return launch(address, exec.Command(b.host("compiled"), address))
}

// startServer starts `sohost run` with the plugin hello.
func (b *builder) startServer() (address string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "served")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	image := filepath.Join(dir, "hello.so")
	source, err := filepath.Abs("../plugins/hello")
	if err != nil {
		return "", nil, err
	}
	if err = b.run(nil, b.sohost, "build", "-o", image, source); err != nil {
		return "", nil, err
	}
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	address, end, err := launch(address, exec.Command(b.sohost, "run", "--listen", address, "--store", filepath.Join(dir, "store"),
		"--control", filepath.Join(dir, "control.sock"), "--plugin", "hello="+image+",route=/hello"))
	return address, func() error { return errors.Join(end(), os.RemoveAll(dir)) }, err
}

// launch starts a server, and waits until it answers as it should.
func launch(address string, cmd *exec.Cmd) (string, func() error, error) {
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop := func() error {
		err := cmd.Process.Signal(syscall.SIGTERM) // an interrupt is ignored by what a script has started in the background
		cmd.Wait()                                 // how it ends is no result
		return err
	}
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = answers(address); err == nil {
			return address, stop, nil
		}
	}
	return "", nil, errors.Join(fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err), stop())
}

func answers(address string) error {
	r, err := http.Get("http://" + address + "/hello")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(body), servedText) {
		return fmt.Errorf("wrong answer: %s, %.100q, %v", r.Status, body, err)
	}
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
