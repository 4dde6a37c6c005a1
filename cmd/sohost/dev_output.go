package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/terminal"
)

// devOutput shows what `sohost dev` does: a line on out for an image that serves, and on diagnostics what it is about, what went wrong,
// and panics in the plugin. As JSON, outcomes and panics are a line on out, and nothing else is shown.
type devOutput struct {
	out      io.Writer
	progress *progress // writes to diagnostics
	json     *json.Encoder
	encoding sync.Mutex // held while json is used: panics come at any time
	verbose  bool
	begun    bool // something was shown
	rested   bool // it was said what is waited for
}

func newDevOutput(out, diagnostics io.Writer, asJSON, verbose bool) *devOutput {
	o := &devOutput{out: out, verbose: verbose}
	if asJSON {
		o.json, diagnostics = json.NewEncoder(out), io.Discard
	}
	o.progress = newProgress(diagnostics, "")
	return o
}

// begin shows what is done from now on: at once on a terminal and at the start, and otherwise if it takes long.
func (o *devOutput) begin(what string) *item {
	after := progressAfter
	if o.progress.terminal || !o.begun {
		o.begun, after = true, 0
	}
	return o.progress.beginAfter(what, after)
}

// rest says what is waited for. Where it can't be taken away again it is said once.
func (o *devOutput) rest(folders int) {
	text := fmt.Sprintf("waiting for a save in %s", count(folders, "folder"))
	if o.progress.terminal {
		o.progress.rest(text)
	} else if !o.rested {
		fmt.Fprintln(o.progress, text)
	}
	o.rested = true
}

// cycle prints the outcome of a build. What Fprintf returns matters only if nobody reads.
func (o *devOutput) cycle(c cycle) {
	if o.json != nil {
		o.encode(c)
		return
	}
	o.progress.clear()
	look, at := terminal.LookOf(o.out), c.Time.Format(time.TimeOnly)
	switch {
	case c.Image == "":
		fmt.Fprintf(o.progress, "%s\n%s  %s %s; the current code keeps serving\n", c.Error, at, c.Plugin, o.alarm("not built"))
	case c.Reload == nil:
		fmt.Fprintf(o.progress, "%s  %s %s built in %s, %s\n", at, c.Plugin, c.Image, short(c.Build), o.alarm(c.Error))
	case c.Reload.Unchanged:
		fmt.Fprintf(o.out, "%s  %s %s unchanged: nothing to reload (build %s)\n", at, c.Plugin, c.Image, short(c.Build))
	default:
		times := []string{"build " + short(c.Build), "reload " + short(c.Reload.Phases.Total()), "state " + stateWay(*c.Reload)}
		if c.Live > 0 {
			times = append(times, short(c.Live)+" after the save")
		}
		fmt.Fprintf(o.out, "%s  %s %s %s: %s\n", at, c.Plugin, c.Image, look.Paint(terminal.Good, "live"), strings.Join(times, ", "))
		if o.verbose {
			fmt.Fprintf(o.out, "%s  %s %s\n", at, c.Plugin, c.phases())
		}
		for _, line := range stateLines(c.Reload.State) {
			fmt.Fprintf(o.out, "%s  %s %s\n", at, c.Plugin, look.Paint(terminal.Notice, line))
		}
	}
}

// encode prints a line of JSON. What Encode returns matters only if nobody reads.
func (o *devOutput) encode(v any) {
	o.encoding.Lock()
	defer o.encoding.Unlock()
	o.json.Encode(v)
}

// devPanic is a panic in JSON.
type devPanic struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin"`
	Panic  string    `json:"panic"` // the request, what was the matter, and the stack
}

// panicked prints a panic in the plugin.
func (o *devOutput) panicked(e events.Event) {
	if o.json != nil {
		o.encode(devPanic{e.Time, e.Plugin, e.Detail})
		return
	}
	what, stack, _ := strings.Cut(e.Detail, "\n")
	fmt.Fprintf(o.progress, "%s  %s %s in %s\n%s\n", e.Time.Local().Format(time.TimeOnly), e.Plugin, o.alarm("panic"), what, indent(stack))
}

func (o *devOutput) alarm(text string) string {
	return terminal.LookOf(o.progress.w).Paint(terminal.Bad, text)
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
