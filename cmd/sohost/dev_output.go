package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// newDevOutput returns the function that prints each cycle: a line on out for an image that serves, and what went wrong on
// diagnostics. As JSON, both are one line on out.
func newDevOutput(out, diagnostics io.Writer, asJSON bool) func(cycle) {
	if asJSON {
		e := json.NewEncoder(out)
		return func(c cycle) { e.Encode(c) } // fails only if nobody reads
	}
	red := alarm(out)
	return func(c cycle) {
		at := c.Time.Format("15:04:05")
		switch {
		case c.Image == "":
			fmt.Fprintf(diagnostics, "%s\n%s  %s not built; the current code keeps serving\n", c.Error, at, c.Plugin)
		case c.Reload == nil:
			fmt.Fprintf(diagnostics, "%s  %s %s built in %s, %s\n", at, c.Plugin, c.Image, short(c.Build), alarm(diagnostics)(c.Error))
		case c.Reload.Unchanged:
			fmt.Fprintf(out, "%s  %s %s unchanged: nothing to reload (build %s)\n", at, c.Plugin, c.Image, short(c.Build))
		default:
			times := []string{"build " + short(c.Build), "reload " + short(c.Reload.Phases.Total()), "state " + string(c.Reload.State.Way)}
			if c.Live > 0 {
				times = append(times, short(c.Live)+" after the save")
			}
			fmt.Fprintf(out, "%s  %s %s live: %s\n", at, c.Plugin, c.Image, strings.Join(times, ", "))
			for _, line := range stateLines(c.Reload.State) {
				fmt.Fprintf(out, "%s  %s %s\n", at, c.Plugin, red(line))
			}
		}
	}
}

// alarm returns a function that makes a text red if w is a terminal.
func alarm(w io.Writer) func(string) string {
	if !isTerminal(w) {
		return func(text string) string { return text }
	}
	return func(text string) string { return "\x1b[31m" + text + "\x1b[m" }
}
