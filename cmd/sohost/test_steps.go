package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/dryrun"
	"github.com/spf13/pflag"
)

// steps are the calls that the flags of `sohost test` ask for, in their order.
type steps struct{ all []stepFlag }

// stepFlag is one of them. Its files aren't read yet.
type stepFlag struct {
	dryrun.Step
	write, body string // files
}

// stepValue is a flag that adds to the steps.
type stepValue struct {
	kind string
	set  func(text string) error
}

func (v stepValue) String() string        { return "" }
func (v stepValue) Type() string          { return v.kind }
func (v stepValue) Set(text string) error { return v.set(text) }

// bind adds the flags.
func (s *steps) bind(f *pflag.FlagSet) {
	f.Var(stepValue{"file", func(text string) error {
		s.all = append(s.all, stepFlag{write: text})
		return nil
	}}, "write", "call HandleBatch with the rows of this `file` of line protocol, times in nanoseconds")
	f.Var(stepValue{"time", s.schedule}, "schedule", "call HandleSchedule for this `time`, as 2026-01-31T06:00:00Z, or now")
	f.Var(stepValue{"request", s.request}, "request", "call ServeHTTP with this `request`, as \"GET /path?query\"")
	f.Var(stepValue{"file", func(text string) error {
		last, err := s.lastRequest()
		if err == nil {
			last.body = text
		}
		return err
	}}, "body", "`file` with the body of the request before")
	f.Var(stepValue{"header", s.header}, "header", "a `header` of the request before, as \"Name: value\"; may be repeated")
}

func (s *steps) schedule(text string) error {
	at := time.Now()
	if text != "now" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return errors.New("want a time such as 2026-01-31T06:00:00Z, or now")
		}
	}
	s.all = append(s.all, stepFlag{Step: dryrun.Step{Schedule: &at}})
	return nil
}

func (s *steps) request(text string) error {
	method, path, found := strings.Cut(strings.TrimSpace(text), " ")
	if path = strings.TrimSpace(path); !found || !strings.HasPrefix(path, "/") {
		return fmt.Errorf("want a method and a path in one argument, such as %q", "GET /counter")
	}
	s.all = append(s.all, stepFlag{Step: dryrun.Step{Request: &dryrun.Request{Method: method, Path: path, Header: http.Header{}}}})
	return nil
}

func (s *steps) header(text string) error {
	last, err := s.lastRequest()
	if err != nil {
		return err
	}
	name, value, found := strings.Cut(text, ":")
	if !found || name == "" {
		return fmt.Errorf("want a name and a value, such as %q", "Accept: text/csv")
	}
	last.Request.Header.Add(name, strings.TrimSpace(value))
	return nil
}

// lastRequest returns the step that a flag of a request belongs to.
func (s *steps) lastRequest() (*stepFlag, error) {
	if n := len(s.all); n > 0 && s.all[n-1].Request != nil {
		return &s.all[n-1], nil
	}
	return nil, errors.New("it belongs to a request: put it after --request")
}

// read returns the steps with what is in their files.
func (s *steps) read(in *inputs) (all []dryrun.Step, err error) {
	for _, flag := range s.all {
		step := flag.Step
		if flag.write != "" {
			if step.Write, err = in.read("--write", flag.write); err != nil {
				return nil, err
			}
			if len(step.Write) == 0 {
				return nil, usageError{fmt.Errorf("--write %s: it is empty", flag.write)}
			}
		}
		if flag.body != "" {
			if step.Request.Body, err = in.read("--body", flag.body); err != nil {
				return nil, err
			}
		}
		all = append(all, step)
	}
	return all, nil
}

// inputs reads the files that flags name. The standard input is read once at most.
type inputs struct {
	stdin io.Reader
	taken string // the flag that has read it
}

// maxInput is the size of the largest file, in bytes.
const maxInput = 64 << 20

func (in *inputs) read(flag, file string) ([]byte, error) {
	var r io.Reader
	if file == "-" {
		if in.taken != "" {
			return nil, usageError{fmt.Errorf("%s -: the standard input is read by %s already", flag, in.taken)}
		}
		r, in.taken = in.stdin, flag
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, file, err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%s %s: it is larger than %s", flag, file, size(maxInput))
	}
	return text, nil
}
