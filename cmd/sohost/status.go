package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running server serves",
		Long: `Status shows the server's processes and their memory, the last handover and the reason for it, recent crashes, and for each
plugin its current generation, what that costs, and its last reload. Below the table are the chains of routes; the checkpoints of
plugins with state, and why one could not be taken; which packages plugins share; sinks for rows that plugins emit; triggers, with
their queues and errors; refused images, each with every reason, while the plugin's current generation keeps serving; files in the
plugins directory that are no plugins; and the images in quarantine.`,
		Example: `  sohost status
  sohost status --json | jq '.plugins[] | {name, generation}'`,
		Args: cobra.NoArgs,
	}
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		s, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), s)
		}
		return printStatus(cmd.OutOrStdout(), s)
	}
	return cmd
}

func printStatus(w io.Writer, s control.Status) error {
	printProcesses(w, s)
	if s.Unknown != "" {
		_, err := fmt.Fprintln(w, "plugins   unknown:", s.Unknown)
		return err
	}
	if len(s.Plugins) == 0 {
		_, err := fmt.Fprintln(w, "no plugins yet: a *.so file is served as soon as `sohost build` has put it into the plugins directory")
		return err
	}
	var rows [][]string
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
		rows = append(rows, []string{p.Name, generation, orDash(p.Version), string(p.Mode), ago(p.Since), fmt.Sprint(calls),
			fmt.Sprint(max(0, len(p.Generations)-1)), memory, took, strings.Join(p.Routes, " ")})
	}
	header := []string{"PLUGIN", "GENERATION", "VERSION", "MODE", "AGE", "CALLS", "DRAINING", "MEMORY", "RELOAD", "ROUTES"}
	if err := table(w, header, rows); err != nil {
		return err
	}
	if err := printChains(w, s.Chains); err != nil {
		return err
	}
	printCheckpoints(w, s.Plugins)
	printSharing(w, s.Plugins)
	if b := s.Backlog; b != nil && !b.Oldest.IsZero() {
		fmt.Fprintf(w, "\nwrites on disk: %s of %s, the oldest of %s\n", size(b.Bytes), size(b.Limit), ago(b.Oldest))
	}
	if err := printSinks(w, s.Sinks); err != nil {
		return err
	}
	if err := printTriggersOf(w, s.Plugins); err != nil {
		return err
	}
	for _, p := range s.Plugins {
		if p.Last != nil {
			for _, warning := range p.Last.Warnings() {
				fmt.Fprintf(w, "\n%s since %s ago: %s\n", p.Name, ago(p.Last.Time), warning)
			}
		}
		printRunning(w, p)
		if p.Others != "" && p.Mode == sohost.Dev {
			fmt.Fprintf(w, "\n%s: others may change its image, which is refused in prod mode: %s\n", p.Name, p.Others)
		}
		if p.Refused != nil {
			fmt.Fprintf(w, "\nrefused %s ago:\n%s\n", ago(p.Refused.Time), indent(p.Refused.Error()))
		}
	}
	for _, f := range s.Ignored {
		fmt.Fprintf(w, "\nno plugin since %s ago: %s\n%s\n", ago(f.Since), f.File, indent(f.Why))
	}
	for _, q := range s.Quarantine {
		fmt.Fprintf(w, "\nin quarantine for %s: %s of %s; evidence: %s; next try: %s\n%s\n", ago(q.Time), q.Image.Short(), q.Plugin,
			orDash(q.Evidence), nextTry(q), indent(q.Reason))
	}
	return nil
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

// printProcesses prints the processes, the last handover and the latest crashes.
func printProcesses(w io.Writer, s control.Status) {
	fmt.Fprintf(w, "server    pid %d, up %s, release %d", s.PID, ago(s.Started), s.Release)
	if s.Confirmed != s.Release && s.Confirmed != 0 {
		fmt.Fprintf(w, " (confirmed: %d)", s.Confirmed)
	}
	fmt.Fprintf(w, ", %s in all, store %s\n", size(s.Memory), s.Store)
	if s.StoreFault != "" {
		fmt.Fprintf(w, "store     %s\n", s.StoreFault)
	}
	if s.Worker == nil {
		fmt.Fprint(w, "worker    none; the next one is starting")
		if b := s.Booting; b != nil {
			fmt.Fprintf(w, ": %v; those that are up serve", *b)
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "worker    pid %d, up %s, %s, %d images open, %d of them old (%s)\n",
			s.Worker.PID, ago(s.Worker.Started), size(s.Worker.Memory), s.Generations, s.Left.Generations, size(s.Left.Memory))
		if u := s.Worker.Files; u.Limit > 0 && 2*u.Open > u.Limit { // 0: the supervisor may not read it
			fmt.Fprintf(w, "files     the worker has %d open and may have %d\n", u.Open, u.Limit)
		}
	}
	printPrograms(w, s)
	if s.Worker != nil {
		printProbe(w, s.Probe)
		if c := s.SpareProbe; c != nil {
			fmt.Fprintf(w, "spare     pid %d, %s: waits for the next image to probe, and ends when none comes\n", c.PID, size(c.Memory))
		}
	}
	if s.Tainted != "" {
		fmt.Fprintf(w, "settings  %s; `sohost handover` moves the plugins to a process that has them as they were\n", s.Tainted)
	}
	for _, d := range s.Draining {
		fmt.Fprintf(w, "draining  pid %d, %s: finishing its requests after the handover\n", d.PID, size(d.Memory))
	}
	if h := s.Handover; h != nil {
		p := h.Phases
		fmt.Fprintf(w, "handover  %s ago, from pid %d, reason: %s\n          prepare %s, ahead %s, drain %s, state %s, commit %s, publish %s",
			ago(h.Time), h.Giver, h.Why, short(p.Prepare), short(p.Ahead), short(p.Drain), short(p.State), short(p.Commit), short(p.Publish))
		if h.Waited != nil {
			fmt.Fprintf(w, "; %d calls waited, %s at most", h.Waited.Calls, short(h.Waited.Max))
		}
		fmt.Fprintln(w)
	}
	for _, c := range s.Config.Restart {
		fmt.Fprintf(w, "config    %s = %s in the configuration, and still %s: restart the server for it\n", c.Key, orDash(c.Is), orDash(c.Was))
	}
	if f := s.Config.Failed; f != nil {
		fmt.Fprintf(w, "config    not taken up %s ago (%s), the one before stays:\n%s\n", ago(f.Time), f.Why, indent(f.Error))
	}
	if f := s.Failed; f != nil {
		fmt.Fprintf(w, "failed    handover, %s ago (%s):\n%s\n", ago(f.Time), f.Why, indent(f.Error))
	}
	if d := s.HandoverDue; d != nil {
		fmt.Fprintf(w, "due       handover (%s), held up since %s ago:\n%s\n", d.Why, ago(d.Since), indent(d.Reason))
	}
	for _, c := range s.Crashes[max(0, len(s.Crashes)-3):] {
		fmt.Fprintf(w, "crash     %s ago, pid %d: %s\n", ago(c.Time), c.PID, c.Reason)
		if c.File != "" {
			fmt.Fprintf(w, "          what it left is in %s\n", c.File)
		}
		if c.Calls != nil {
			for _, im := range c.Calls.Inside() {
				fmt.Fprintf(w, "          was running %s\n", im)
			}
		}
	}
	fmt.Fprintln(w)
}

// printPrograms prints which program workers run if that is new, and which one has failed.
func printPrograms(w io.Writer, s control.Status) {
	if p := s.Program; p != nil && p.Probation != nil {
		fmt.Fprintf(w, "program   %s (%.12s), in probation for another %s: if a worker dies, the program before serves again\n",
			p.Path, p.SHA256, short(max(0, time.Until(*p.Probation)).Round(time.Second)))
	}
	if f := s.FailedProgram; f != nil {
		fmt.Fprintf(w, "program   %s (%.12s) failed its probation %s ago, and the one before was run again: %s\n",
			f.Path, f.SHA256, ago(f.Time), f.Reason)
	}
}

// printProbe prints what keeps images in a probe from reaching out.
func printProbe(w io.Writer, layers []sohost.ProbeLayer) {
	var has, lacks []string
	for _, l := range layers {
		if l.InForce {
			has = append(has, l.Name)
		} else {
			lacks = append(lacks, l.Name)
		}
	}
	if len(layers) == 0 {
		fmt.Fprintln(w, "probe     none in this worker yet (`sohost doctor` says what it would be behind)")
		return
	}
	if len(has) == 0 {
		has = []string{"nothing"}
	}
	fmt.Fprintf(w, "probe     behind %s", strings.Join(has, ", "))
	if len(lacks) > 0 {
		fmt.Fprintf(w, "; without %s (`sohost doctor` says why)", strings.Join(lacks, ", "))
	}
	fmt.Fprintln(w)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
