package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

// verdict is how a check came out.
type verdict string

const (
	good verdict = "ok"
	note verdict = "note" // the server works, but not in every way or for ever
	bad  verdict = "bad"  // the server can't work like that
)

// finding is what a check has found.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Found   string  `json:"found"`
	Why     string  `json:"why,omitempty"`    // why that matters
	Remedy  string  `json:"remedy,omitempty"` // what to do about it
}

// diagnosis is what `sohost doctor` reports.
type diagnosis struct {
	Findings []finding            `json:"findings"`
	Probe    []instance.WallLayer `json:"probe"`
}

// probeLimit is how long the probe of nothing may take.
const probeLimit = 10 * time.Second

func newDoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine and user offer the server",
		Long: `Doctor checks what a server would find here if this user started it: limits, the store and its file system, and which of the
kernel's means keep a new image from reaching anything while it is tried in a child process. For whatever is missing it says why
and what to do. It starts one such child, which loads nothing, and changes nothing. Root finds what the user finds to whom the store
belongs, if that is another.

It exits with 1 if the server couldn't work like that.`,
		Example: `  sohost doctor
  sohost doctor --config /etc/sohost/sohost.toml --json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().String("config", "", "the server's configuration `file` (default "+defaultConfig+", or "+installedConfig+" where there is no server)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := serverConfig(cmd)
		if err != nil {
			return err
		}
		d, err := diagnoseAsOwner(cmd, c)
		if err != nil {
			d = diagnose(cmd.Context(), c)
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), d)
		} else {
			err = printDiagnosis(cmd.OutOrStdout(), d)
		}
		for _, f := range d.Findings {
			if f.Verdict == bad {
				return errors.Join(err, errors.New("the server can't work like that"))
			}
		}
		return err
	}
	return cmd
}

// diagnose checks what a server of this user would find.
func diagnose(ctx context.Context, c *config) (d diagnosis) {
	for _, check := range checks {
		for _, f := range check.look(c) {
			f.Check = check.name
			d.Findings = append(d.Findings, f)
		}
	}
	prober := instance.NewProber(slog.New(slog.DiscardHandler))
	if _, err := prober.Probe(ctx, instance.ProbeOptions{Limit: probeLimit}); err != nil {
		d.Findings = append(d.Findings, finding{"probe", bad, err.Error(), "no image could be tried, so none is loaded", ""})
	}
	d.Probe = prober.Layers()
	return d
}

func printDiagnosis(w io.Writer, d diagnosis) error {
	var rows [][]string
	for _, f := range d.Findings {
		rows = append(rows, []string{string(f.Verdict), f.Check, f.Found})
	}
	for _, l := range d.Probe {
		state, found := string(good), l.Detail
		if !l.InForce {
			state, found = string(note), "not in force"
		}
		rows = append(rows, []string{state, "probe: " + l.Name, found})
	}
	styles := map[string]terminal.Style{string(good): terminal.Good, string(note): terminal.Notice, string(bad): terminal.Bad}
	if err := styledTable(w, nil, rows, 0, func(row []string) terminal.Style { return styles[row[0]] }); err != nil {
		return err
	}
	explain := func(name, why, remedy string) {
		if why != "" || remedy != "" {
			fmt.Fprintf(w, "\n%s:\n%s\n", name, indent(strings.TrimSpace(why+"\n"+remedy)))
		}
	}
	for _, f := range d.Findings {
		explain(f.Check, f.Why, f.Remedy)
	}
	for _, l := range d.Probe {
		explain("probe: "+l.Name, l.Why, l.Remedy)
	}
	return nil
}
