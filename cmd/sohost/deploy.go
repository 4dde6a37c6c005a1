package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/control"
	"github.com/spf13/cobra"
)

func newDeployCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy PLUGIN[=FILE]...",
		Short: "Load changed images into the running server",
		Long: `Deploy loads the images of plugins into the running server and makes them current in one release: all of them, or, if
one is refused, none. FILE is the image; without it the one that the server is configured with is read again.

When it returns, the new generations serve. Calls that had begun end in the old ones.`,
		Example: `  sohost deploy counter
  sohost deploy counter=build/plugins/counter.so wordfreq`,
		Args: cobra.MinimumNArgs(1),
	}
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		images := map[string]string{}
		for _, arg := range args {
			name, file, _ := strings.Cut(arg, "=")
			if _, twice := images[name]; twice {
				return usageError{fmt.Errorf("plugin %s is named twice", name)}
			}
			if file != "" {
				var err error
				if file, err = filepath.Abs(file); err != nil {
					return err
				}
			}
			images[name] = file
		}
		client, err := server()
		if err != nil {
			return err
		}
		reload, err := client.Deploy(cmd.Context(), control.DeployRequest{Images: images})
		if err != nil {
			return err
		}
		return printReload(cmd, reload, *asJSON)
	}
	return cmd
}

func printReload(cmd *cobra.Command, r sohost.Reload, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	if r.Warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", r.Warning)
	}
	return printMoves(cmd.OutOrStdout(), r.Release, r.Moves)
}

func printMoves(w io.Writer, release int, moves []sohost.Move) error {
	var rows [][]string
	for _, m := range moves {
		from, took := "-", short(m.Phases.Total())
		if m.From != m.To && !m.From.IsZero() {
			from = m.From.Short()
		}
		if m.Unchanged {
			from, took = m.From.Short(), "unchanged"
		}
		rows = append(rows, []string{m.Plugin, from, m.To.Short(), m.State.Way, took, fmt.Sprint(release)})
	}
	return table(w, []string{"PLUGIN", "FROM", "TO", "STATE", "TOOK", "RELEASE"}, rows)
}
