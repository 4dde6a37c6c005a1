package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/sohost/sohost/bench/lane"
)

// A host is a running program from below hosts.
type host struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

func (b *builder) start(program string, args ...string) (*host, error) {
	h := &host{name: program, cmd: exec.Command(b.host(program), args...)}
	h.cmd.Stderr = os.Stderr
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.in, h.orders, h.answers = in, json.NewEncoder(in), json.NewDecoder(out)
	return h, h.cmd.Start()
}

// ask returns the answer to an order. There is none but a right one: everything else is an error.
func (h *host) ask(o lane.Order) (a lane.Answer, err error) {
	if err = h.orders.Encode(o); err == nil {
		err = h.answers.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		return a, fmt.Errorf("%s: %s: %w", h.name, o.Do, err)
	}
	return a, nil
}

// end asks the host to end, and waits for that.
func (h *host) end() error {
	h.in.Close()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return nil
}
