package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/terminal"
)

// newDevOutput returns the function that prints each cycle: a line on out for an image that serves, and what went wrong on
// diagnostics. As JSON, both are one line on out.
func newDevOutput(out, diagnostics io.Writer, asJSON, verbose bool) func(cycle) {
	if asJSON {
		e := json.NewEncoder(out)
		return func(c cycle) { e.Encode(c) } // fails only if nobody reads
	}
	look := terminal.LookOf(out)
	return func(c cycle) {
		at := c.Time.Format("15:04:05")
		switch {
		case c.Image == "":
			fmt.Fprintf(diagnostics, "%s\n%s  %s not built; the current code keeps serving\n", c.Error, at, c.Plugin)
		case c.Reload == nil:
			fmt.Fprintf(diagnostics, "%s  %s %s built in %s, %s\n", at, c.Plugin, c.Image, short(c.Build), terminal.LookOf(diagnostics).Paint(terminal.Bad, c.Error))
		case c.Reload.Unchanged:
			fmt.Fprintf(out, "%s  %s %s unchanged: nothing to reload (build %s)\n", at, c.Plugin, c.Image, short(c.Build))
		default:
			times := []string{"build " + short(c.Build), "reload " + short(c.Reload.Phases.Total()), "state " + stateWay(*c.Reload)}
			if c.Live > 0 {
				times = append(times, short(c.Live)+" after the save")
			}
			fmt.Fprintf(out, "%s  %s %s live: %s\n", at, c.Plugin, c.Image, strings.Join(times, ", "))
			if verbose {
				fmt.Fprintf(out, "%s  %s %s\n", at, c.Plugin, c.phases())
			}
			for _, line := range stateLines(c.Reload.State) {
				fmt.Fprintf(out, "%s  %s %s\n", at, c.Plugin, look.Paint(terminal.Notice, line))
			}
		}
	}
}

// phases returns how long each step took, from the save until the answer of the server.
func (c cycle) phases() string {
	var times []string
	if c.Noticed > 0 {
		times = append(times, "noticed "+short(c.Noticed))
	}
	if c.Watch > 0 {
		times = append(times, "sources "+short(c.Watch))
	}
	reload := strings.Join(slices.Collect(func(yield func(string) bool) {
		for _, p := range slices.Sorted(maps.Keys(c.Reload.Phases)) {
			if !yield(fmt.Sprintf("%v %s", p, short(c.Reload.Phases[p]))) {
				return
			}
		}
	}), ", ")
	return strings.Join(append(times, phaseTimes(c.Phases), fmt.Sprintf("deploy %s (%s)", short(c.Deploy), reload)), ", ")
}
