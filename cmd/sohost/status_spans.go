package main

import (
	"fmt"
	"io"

	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/terminal"
)

// printSpans says where spans go, and what hinders that; nothing if nobody has asked for any.
func printSpans(w io.Writer, s *otlp.Status) {
	switch {
	case s == nil:
		return
	case s.Endpoint == "":
		fmt.Fprintf(w, "spans     none: %s\n", terminal.Printable(s.Error))
		return
	}
	fmt.Fprintf(w, "spans     to %s: %d sent, %d waiting, %d lost\n", s.Endpoint, s.Sent, s.Waiting, s.Lost)
	for _, text := range s.Ignored {
		fmt.Fprintf(w, "          ignored: %s\n", terminal.Printable(text))
	}
	if s.Error != "" {
		fmt.Fprintf(w, "          not taken, last %s ago: %s\n", ago(s.ErrorTime), terminal.Printable(s.Error))
	}
}
