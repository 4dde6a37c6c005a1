// Package lane is what all hosts of the benchmark have in common. Each host is a process of its own, so that none has what another
// loads. It does what it is asked on its standard input, one thing at a time, and checks every answer of its plugin.
package lane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sohost/sohost/bench/work"
)

// A Host has one plugin, and can replace it.
type Host struct {
	// Load puts the plugin of a file in the place of the one before. New calls reach it once Load has returned. What the one
	// before needs done is done by the function that it returns, if any, for which no caller waits.
	Load func(file string) (after func(), err error)

	// Nexts and Counts make n calls, and return the sum of the answers.
	Nexts  func(n int) int
	Counts func(n int) int

	Next    func(n int) int // one call, of any goroutine
	Version func() int

	Close func()

	// More is what only some hosts can do, by what it is asked.
	More map[string]func(Order) (Answer, error)
}

// An Order asks for something.
type Order struct {
	Do      string   `json:"do"`
	File    string   `json:"file,omitempty"`    // load: the plugin
	Version int      `json:"version,omitempty"` // load: what it must say that it is
	Cores   int      `json:"cores,omitempty"`   // next: how many goroutines call
	Plugin  string   `json:"plugin,omitempty"`
	Files   []string `json:"files,omitempty"` // images to open
}

// An Answer is what came of an order.
type Answer struct {
	Error string        `json:"error,omitempty"`
	Took  time.Duration `json:"took,omitempty"`  // load: until the first new answer
	Bytes int64         `json:"bytes,omitempty"` // memory: that the host has
	Count int           `json:"count,omitempty"` // open: how many images are

	// next, count and http: what one takes, in ns, in multiples of one without a host, and what that takes.
	Ratio  float64 `json:"ratio,omitempty"`
	Each   float64 `json:"each,omitempty"`
	Direct float64 `json:"direct,omitempty"`
}

// Main is the main function of a host. Open starts it; it has no plugin then.
func Main(open func() (*Host, error)) {
	if err := serve(open, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(open func() (*Host, error), in io.Reader, out io.Writer) error {
	h, err := open()
	if err != nil {
		return err
	}
	if h.Close != nil {
		defer h.Close()
	}
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o Order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := h.do(o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func (h *Host) do(o Order) (Answer, error) {
	if more := h.More[o.Do]; more != nil {
		return more(o)
	}
	switch o.Do {
	case "load":
		return h.load(o)
	case "next":
		return compare(o.Cores, nexts(work.New()), h.Nexts, sumOfNexts)
	case "count":
		return compare(1, counts(work.New()), h.Counts, sumOfCounts)
	case "http":
		return compareHTTP(work.New().Next, h.Next)
	case "memory":
		return memory()
	}
	return Answer{}, fmt.Errorf("can't %s", o.Do)
}

// load measures from a file that is there to the first answer of the code in it.
func (h *Host) load(o Order) (a Answer, err error) {
	begin := time.Now()
	after, err := h.Load(o.File)
	if err != nil {
		return a, fmt.Errorf("load %s: %w", o.File, err)
	}
	version := h.Version()
	a.Took = time.Since(begin)
	if version != o.Version {
		return a, fmt.Errorf("load %s: answered by version %d, want %d", o.File, version, o.Version)
	}
	if after != nil {
		after()
	}
	return a, nil
}
