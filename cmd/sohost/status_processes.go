package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

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
	printListeners(w, s.Listeners)
	printDraining(w, s.Draining)
	printSpans(w, s.Spans)
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
	printAmended(w, s.Config.Amended)
	if s.Config.Back {
		fmt.Fprintln(w, "config    the one from before serves; `sohost reload`, `sohost handover` or a restart takes up the file")
	}
	if s.Config.Unkept != "" {
		fmt.Fprintln(w, "config   ", s.Config.Unkept)
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

// printPrograms prints which program workers run if that is new or not the supervisor's, and which one has failed.
func printPrograms(w io.Writer, s control.Status) {
	if p := s.Program; p != nil && p.Probation != nil {
		fmt.Fprintf(w, "program   %s (%.12s), in probation for another %s: if a worker dies, the program before serves again\n",
			p.Path, p.SHA256, short(max(0, time.Until(*p.Probation)).Round(time.Second)))
	}
	if p := s.Program; p != nil && p.NotSupervisor != "" {
		fmt.Fprintf(w, "program   %s (%.12s) runs in the workers, but the supervisor stays the one before until a restart:\n%s\n",
			p.Path, p.SHA256, indent(p.NotSupervisor))
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
