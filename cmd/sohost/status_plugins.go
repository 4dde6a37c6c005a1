package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/terminal"
)

// printPlugins prints the plugins, what is to be said of them, and what belongs to none of them.
func printPlugins(w io.Writer, s control.Status) error {
	if err := printPluginTable(w, s); err != nil {
		return err
	}
	if err := printChains(w, s.Chains); err != nil {
		return err
	}
	printCheckpoints(w, s.Plugins)
	printSharing(w, s.Shared)
	if b := s.Backlog; b != nil && !b.Oldest.IsZero() {
		fmt.Fprintf(w, "\nwrites on disk: %s of %s, the oldest of %s\n", size(b.Bytes), size(b.Limit), ago(b.Oldest))
	}
	if err := printSinks(w, s.Sinks); err != nil {
		return err
	}
	printHooks(w, s.Hooks)
	if err := printTriggersOf(w, s.Plugins); err != nil {
		return err
	}
	look := terminal.LookOf(w)
	for _, p := range s.Plugins {
		printAbout(w, p)
	}
	for _, f := range s.Ignored {
		fmt.Fprintf(w, "\n%s: %s\n%s\n", look.Paint(terminal.Notice, "no plugin since "+ago(f.Since)+" ago"), f.File, indent(f.Why))
	}
	for _, q := range s.Quarantine {
		fmt.Fprintf(w, "\n%s: %s of %s; evidence: %s; next try: %s\n%s\n", look.Paint(terminal.Bad, "in quarantine for "+ago(q.Time)),
			q.Image.Short(), q.Plugin, orDash(q.Evidence), nextTry(q), indent(q.Reason))
	}
	return nil
}

// printPluginTable prints a line for each plugin, and what the table has no room for.
func printPluginTable(w io.Writer, s control.Status) error {
	t := terminal.Table{Columns: []terminal.Column{{Name: "PLUGIN"}, {Name: "GENERATION", Rank: 1}, {Name: "VERSION", Rank: 5}, {Name: "MODE", Rank: 3},
		{Name: "STATE"}, {Name: "AGE", Rank: 2}, {Name: "CALLS", Rank: 6}, {Name: "DRAINING", Rank: 9}, {Name: "MEMORY", Rank: 7},
		{Name: "RELOAD", Rank: 8}, {Name: "ROUTES", Rank: 4}}}
	for _, p := range s.Plugins {
		generation, memory, took := "none", "-", "-"
		var calls int64
		if !p.Generation.IsZero() {
			generation = p.Generation.Short()
		}
		for _, g := range p.Generations {
			calls += g.Leases
		}
		if len(p.Generations) > 0 {
			memory = size(p.Generations[0].Memory.Resident)
		}
		if p.Last != nil {
			took = short(p.Last.Phases.Total())
		}
		state := statesOf(p, s)[0]
		var row []terminal.Cell
		for _, text := range []string{p.Name, generation, orDash(p.Version), string(p.Mode), string(state), ago(p.Since), fmt.Sprint(calls),
			fmt.Sprint(max(0, len(p.Generations)-1)), memory, took, strings.Join(p.Routes, " ")} {
			row = append(row, terminal.Cell{Text: text})
		}
		row[4].Style = styleOf(state)
		t.Rows = append(t.Rows, row)
	}
	left, err := t.Print(w)
	if len(left) > 0 {
		fmt.Fprintln(w, terminal.LookOf(w).Paint(terminal.Faint, "no room for "+strings.Join(left, ", ")+"; --json has it"))
	}
	return err
}

// printAbout prints what else is to be said of one plugin.
func printAbout(w io.Writer, p sohost.PluginStatus) {
	look := terminal.LookOf(w)
	if p.Last != nil {
		for _, warning := range p.Last.Warnings() {
			fmt.Fprintf(w, "\n%s: %s\n", look.Paint(terminal.Notice, p.Name+" since "+ago(p.Last.Time)+" ago"), warning)
		}
	}
	printRunning(w, p)
	if p.Others != "" && p.Mode == sohost.Dev {
		fmt.Fprintf(w, "\n%s: others may change its image, which is refused in prod mode: %s\n", look.Paint(terminal.Notice, p.Name), p.Others)
	}
	switch p.File {
	case sohost.FileGone:
		fmt.Fprintf(w, "\n%s: its file %s is gone; what serves stays, until `sohost plugin remove %s` if the file was in the plugins directory\n",
			look.Paint(terminal.Notice, p.Name), p.Image, p.Name)
	case sohost.FileDiffers:
		fmt.Fprintf(w, "\n%s: its file %s has another image than the one that serves: `sohost deploy %s` loads it\n",
			look.Paint(terminal.Notice, p.Name), p.Image, p.Name)
	}
	if p.Refused != nil {
		fmt.Fprintf(w, "\n%s:\n%s\n", look.Paint(terminal.Bad, "refused "+ago(p.Refused.Time)+" ago"), indent(p.Refused.Error()))
	}
}

// printRunning prints the requests that callers, or the end of an old generation, wait for.
func printRunning(w io.Writer, p sohost.PluginStatus) {
	for i, g := range p.Generations {
		serves := i == 0 && g.ID == p.Generation
		if serves && !p.Gated || len(g.Running) == 0 {
			continue
		}
		var running []string
		for _, c := range g.Running {
			running = append(running, c.String())
		}
		who := "its end waits"
		if serves {
			who = fmt.Sprintf("a move of its state and %d calls wait", p.Waiting)
		}
		fmt.Fprintf(w, "\n%s %s: %s for %s\n", p.Name, g.ID.Short(), who, strings.Join(running, ", "))
	}
}
