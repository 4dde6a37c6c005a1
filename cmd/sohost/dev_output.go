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
	return func(c cycle) {
		at := c.Time.Format("15:04:05")
		switch {
		case c.Image == "":
			fmt.Fprintf(diagnostics, "%s\n%s  %s not built; the current code keeps serving\n", c.Error, at, c.Plugin)
		case c.Reload == nil:
			fmt.Fprintf(diagnostics, "%s  %s %s built in %s, %s\n", at, c.Plugin, c.Image, short(c.Build), c.Error)
		case c.Reload.Unchanged:
			fmt.Fprintf(out, "%s  %s %s unchanged: nothing to reload (build %s)\n", at, c.Plugin, c.Image, short(c.Build))
		default:
			times := []string{"build " + short(c.Build), "reload " + short(c.Reload.Phases.Total())}
			if c.Live > 0 {
				times = append(times, short(c.Live)+" after the save")
			}
			fmt.Fprintf(out, "%s  %s %s live: %s\n", at, c.Plugin, c.Image, strings.Join(times, ", "))
		}
	}
}
