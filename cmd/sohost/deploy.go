package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newDeployCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy PLUGIN[=FILE]...",
		Short: "Load changed images into the running server",
		Long: `Deploy loads images of plugins into the running server and makes them current in one release: all of them, or, if one is
refused, none. FILE is the image; without it, the server reads the plugin's configured file again.

When deploy returns, the new generations serve. Calls that began earlier finish in the old ones.`,
		Example: `  sohost deploy counter
  sohost deploy counter=build/plugins/counter.so wordfreq`,
		Args: cobra.MinimumNArgs(1),
	}
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		images, err := parseImages(args)
		if err != nil {
			return err
		}
		client, err := server()
		if err != nil {
			return err
		}
		reload, err := client.Deploy(cmd.Context(), control.DeployRequest{Images: images})
		return printReload(cmd, reload, err, *asJSON)
	}
	return cmd
}

// parseImages reads PLUGIN[=FILE] arguments. It makes the files absolute, since the server's working directory is another.
func parseImages(args []string) (map[string]string, error) {
	images := map[string]string{}
	for _, arg := range args {
		name, file, named := strings.Cut(arg, "=")
		if err := checkName(name); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", arg, err)}
		}
		if named && file == "" {
			return nil, usageError{fmt.Errorf("%s: want a file after =", arg)}
		}
		if _, twice := images[name]; twice {
			return nil, usageError{fmt.Errorf("plugin %s is named twice", name)}
		}
		if named {
			abs, err := filepath.Abs(file)
			if err != nil {
				return nil, err
			}
			file = abs
		}
		images[name] = file
	}
	return images, nil
}

// printReload prints what a deploy or a rollback did. It returns err, and with --json also prints why it was refused.
func printReload(cmd *cobra.Command, r sohost.Reload, err error, asJSON bool) error {
	out := cmd.OutOrStdout()
	var refused *control.Failure
	switch {
	case asJSON && errors.As(err, &refused):
		return errors.Join(err, printJSON(out, refused))
	case err != nil:
		return err
	case asJSON:
		return printJSON(out, r)
	}
	if r.Warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", r.Warning)
	}
	return printMoves(out, r.Release, r.Moves)
}

func printMoves(w io.Writer, release int, moves []sohost.Move) error {
	var rows [][]string
	for _, m := range moves {
		from, state, took := shortID(m.From), string(m.State.Way), short(m.Phases.Total())
		if m.Unchanged {
			state, took = "-", "unchanged"
		}
		rows = append(rows, []string{m.Plugin, from, m.To.Short(), state, took, fmt.Sprint(release)})
	}
	return table(w, []string{"PLUGIN", "FROM", "TO", "STATE", "TOOK", "RELEASE"}, rows)
}
