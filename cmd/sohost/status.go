package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running server serves",
		Long: `Status shows each plugin's current generation, what it costs, and its last reload. An image that was refused is shown
below the table with every reason; the plugin's current generation serves on.`,
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

func printStatus(w io.Writer, s sohost.Status) error {
	fmt.Fprintf(w, "pid %d, up %s, release %d, store %s\n\n", s.PID, ago(s.Started), s.Release, s.Store)
	if len(s.Plugins) == 0 {
		_, err := fmt.Fprintln(w, "no plugins yet: each *.so that `sohost build` puts into the plugins directory is served at once")
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
	for _, p := range s.Plugins {
		if p.Refused != nil {
			fmt.Fprintf(w, "\nrefused %s ago:\n%s\n", ago(p.Refused.Time), indent(p.Refused.Error()))
		}
	}
	return nil
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
