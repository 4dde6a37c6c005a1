package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
)

// printCheckpoints prints a table of the plugins that have checkpoints, and below it what went wrong with them.
func printCheckpoints(w io.Writer, plugins []sohost.PluginStatus) {
	var rows [][]string
	var troubles strings.Builder
	for _, p := range plugins {
		c := p.Checkpoint
		if p.Mismatch != "" {
			fmt.Fprintf(&troubles, "\na restart may lose the state of %s:\n%s\n", p.Name, indent(p.Mismatch))
		}
		if p.Last != nil && len(p.Last.State.Lost)+len(p.Last.State.Unrestored) > 0 {
			fmt.Fprintf(&troubles, "\nthe last reload of %s, %s ago, by way of %s:\n%s\n", p.Name, ago(p.Last.Time), p.Last.State.Way,
				indent(strings.Join(stateLines(p.Last.State), "\n")))
		}
		if len(p.Kept) > 0 {
			k := p.Kept[0]
			where := size(k.Bytes)
			if k.MemoryOnly {
				where = "in memory only, so a restart or a handover loses it"
			}
			fmt.Fprintf(&troubles, "\nkept for a rollback until release %d is confirmed and a checkpoint is newer: %s of %s, the newest of %s, %s old, %s\n",
				k.Release, count(len(p.Kept), "state"), p.Name, shortID(k.Image), ago(k.Time), where)
		}
		if c == nil {
			if p.Stopped != "" {
				fmt.Fprintf(&troubles, "\n%s serves without its background work, which is tried again:\n%s\n", p.Name, indent(p.Stopped))
			}
			if p.Uncheckpointed != "" {
				fmt.Fprintf(&troubles, "\nno checkpoints of %s, so a restart loses its state:\n%s\n", p.Name, indent(p.Uncheckpointed))
			}
			continue
		}
		row := []string{p.Name, ago(c.Written), "-", "-", "-", "no", "-"}
		if !c.Written.IsZero() {
			row[2] = size(c.Bytes)
		}
		if c.Took != 0 {
			row[3], row[4] = short(c.Took), short(c.Held)
		}
		if c.Verified {
			row[5] = "yes"
		}
		if f := c.Failed; f != nil {
			row[6] = count(f.Attempts, "attempt")
			stays := "the one before stays"
			switch {
			case c.Written.IsZero() && len(p.Kept) > 0:
				stays = "a restart goes back to what is kept for a rollback"
			case c.Written.IsZero():
				stays = "there is none, so a restart loses its state"
			}
			fmt.Fprintf(&troubles, "\nno checkpoint of %s for %s, last tried %s ago; %s:\n%s\n",
				p.Name, ago(f.Since), ago(f.Last), stays, indent(f.Reason))
		}
		if c.Lost != "" {
			fmt.Fprintf(&troubles, "\nstate of %s is lost:\n%s\n", p.Name, indent(c.Lost))
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		table(w, []string{"CHECKPOINT", "AGE", "SIZE", "TOOK", "CALLERS HELD", "VERIFIED", "FAILED"}, rows)
	}
	io.WriteString(w, troubles.String())
}
