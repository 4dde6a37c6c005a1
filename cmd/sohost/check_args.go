package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/instance"
)

// describeLimit is how long opening an image may take that is to be described.
const describeLimit = time.Minute

// describe opens an image in a child process and returns what its Descriptor says.
func describe(ctx context.Context, file string) (*instance.Description, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	probed, err := instance.NewProber(slog.New(slog.DiscardHandler)).Probe(ctx, instance.ProbeOptions{Limit: describeLimit, Describe: true}, file)
	return probed.Described, err
}

// describe notes what the image's Descriptor says. An image that can't be opened would be refused.
func (r *checkResult) describe(ctx context.Context) {
	if !r.OK {
		return
	}
	var err error
	if r.Descriptor, err = describe(ctx, r.File); err != nil {
		r.OK, r.Message = false, err.Error()
	}
}

// printArguments prints what a plugin can be configured with.
func printArguments(w io.Writer, d *instance.Description) error {
	if d.Exclusive {
		fmt.Fprintln(w, "exclusive: its old code is stopped before its new code's Start")
	}
	if !d.Described {
		_, err := fmt.Fprintln(w, "takes any arguments: its Descriptor describes none")
		return err
	}
	if len(d.Args) == 0 {
		_, err := fmt.Fprintln(w, "takes no arguments")
		return err
	}
	var rows [][]string
	for _, a := range d.Args {
		kind := cmp.Or(strings.Join(a.Choices, "|"), string(a.Type))
		standard := a.Default
		if a.Required {
			standard = "required"
		}
		rows = append(rows, []string{a.Name, kind, orDash(standard), a.Help})
	}
	return table(w, []string{"ARGUMENT", "TYPE", "DEFAULT", ""}, rows)
}
