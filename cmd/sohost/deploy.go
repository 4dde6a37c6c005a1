package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
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

When deploy returns, the new generations serve. Calls that began earlier finish in the old ones. What an image loses of the state
is printed, field by field; until the release is confirmed, "sohost rollback" brings it back. An image that would lose all of the
state, or all of a part of it, is refused without --lose-state.`,
		Example: `  sohost deploy counter
  sohost deploy counter=build/plugins/counter.so wordfreq`,
		Args: cobra.MinimumNArgs(1),
	}
	server, asJSON, loseState := connect(cmd), jsonFlag(cmd), loseStateFlag(cmd)
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
		client.Patience.Doing = "loading images"
		reload, err := client.Deploy(cmd.Context(), control.DeployRequest{Images: images, LoseState: *loseState})
		return printReload(cmd, reload, err, *asJSON)
	}
	return cmd
}

// parseImages reads PLUGIN[=FILE] arguments. It makes the files absolute, since the server's working directory is another.
func parseImages(args []string) (map[string]string, error) {
	images := map[string]string{}
	for _, arg := range args {
		name, file, named := strings.Cut(arg, "=")
		if err := checkName("plugin", name); err != nil {
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
		warn(cmd.ErrOrStderr(), r.Warning)
	}
	for _, m := range r.Moves {
		for _, warning := range m.Warnings() {
			warn(cmd.ErrOrStderr(), m.Plugin+": "+warning)
		}
	}
	return printMoves(out, r.Release, r.Moves)
}

// loseStateFlag adds --lose-state to a command.
func loseStateFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("lose-state", false, "take images even if they lose all of a plugin's state, or of a part of it")
}

func printMoves(w io.Writer, release int, moves []sohost.Move) error {
	var rows [][]string
	for _, m := range moves {
		from, state, took := shortID(m.From), stateWay(m), short(m.Phases.Total())
		if m.Unchanged {
			state, took = "-", "unchanged"
		}
		rows = append(rows, []string{m.Plugin, from, m.To.Short(), state, took, fmt.Sprint(release)})
	}
	if err := table(w, []string{"PLUGIN", "FROM", "TO", "STATE", "TOOK", "RELEASE"}, rows); err != nil {
		return err
	}
	for _, m := range moves {
		for _, line := range stateLines(m.State) {
			if _, err := fmt.Fprintf(w, "%s: %s\n", m.Plugin, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// stateWay says how a plugin's state came into its new generation, how much it was and how long that took.
func stateWay(m sohost.Move) string {
	var how []string
	if m.State.Entries > 0 {
		how = append(how, fmt.Sprint(m.State.Entries, " entries"))
	}
	if m.State.Bytes > 0 {
		how = append(how, size(m.State.Bytes))
	}
	if took := m.Phases[sohost.PhaseState]; took > 0 && m.State.Way != sohost.WayNone {
		how = append(how, short(took))
	}
	if len(how) == 0 {
		return string(m.State.Way)
	}
	return fmt.Sprintf("%s (%s)", m.State.Way, strings.Join(how, ", "))
}

// stateLines says what a move did to a state beyond its way: what was lost and restored, and how old it is.
func stateLines(s sohost.StateMove) (lines []string) {
	changes := slices.DeleteFunc(slices.Clone(s.Changes), func(change string) bool { // it is told as lost
		return slices.Contains(s.Lost, strings.TrimPrefix(change, "removed "))
	})
	if len(changes) > 0 {
		lines = append(lines, "the state's type: "+strings.Join(changes, ", "))
	}
	if len(s.Lost) > 0 {
		lines = append(lines, "lost: "+strings.Join(s.Lost, ", "))
	}
	if s.Unkept != "" {
		lines = append(lines, "lost for good, since it could not be kept: "+s.Unkept)
	}
	if len(s.Restored) > 0 {
		lines = append(lines, "restored: "+strings.Join(s.Restored, ", "))
	}
	for _, why := range s.Unrestored {
		lines = append(lines, "not restored from the kept state of "+why)
	}
	if s.Unmatched > 0 {
		lines = append(lines, fmt.Sprintf("not restored: the removed fields of %s, which have changed places", count(int(s.Unmatched), "slice element")))
	}
	if s.Uncheckpointed != "" {
		lines = append(lines, "it gets no checkpoints, so a restart loses the state: "+s.Uncheckpointed)
	}
	if s.Age > 0 {
		lines = append(lines, fmt.Sprintf("the state is %s old: what happened since is lost", short(s.Age)))
	}
	return lines
}
