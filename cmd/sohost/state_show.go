package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost/internal/state"
	"github.com/spf13/cobra"
)

func newStateShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show PLUGIN|FILE",
		Short: "Show a plugin's last checkpoint",
		Long: `Show prints what a state on disk is, and its contents, abbreviated: of each map, list and string the beginning. It reads the
last checkpoint of a plugin, or any file of a store's folder state. "sohost state export" writes all of it.`,
		Example: `  sohost state show counter
  sohost state show --items 100 store/state/counter.cbor.1`,
		Args: cobra.ExactArgs(1),
	}
	read := stateReader(cmd)
	var o state.TextLimits
	cmd.Flags().IntVar(&o.Items, "items", 10, "show this `number` of entries of each map and list")
	cmd.Flags().IntVar(&o.Depth, "depth", 6, "show this `number` of levels")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := read(args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), f)
		}
		if err := f.printHeader(cmd.OutOrStdout()); err != nil {
			return err
		}
		return f.tree.WriteText(cmd.OutOrStdout(), o)
	}
	return cmd
}

func (f *stateFile) printHeader(w io.Writer) error {
	rows := [][]string{
		{"file", fmt.Sprintf("%s, %s, written %s ago", f.File, size(f.Bytes), ago(f.Written))},
		{"schema", fmt.Sprintf("%s, version %d", f.Schema, f.Version)},
		{"type", fmt.Sprintf("%s, %s", orDash(f.Type), count(f.tree.Objects(), "object"))},
	}
	if f.Plugin != "" {
		rows = append([][]string{{"plugin", f.Plugin}}, rows...)
	}
	if f.last != nil {
		state := append([]string{fmt.Sprintf("%s ago, state %s", ago(f.last.Time), f.last.State.Way)}, stateLines(f.last.State)...)
		rows = append(rows, []string{"reload", strings.Join(state, "; ")})
	}
	for _, k := range f.kept {
		rows = append(rows, []string{"kept", fmt.Sprintf("%s, %s, from before release %d, %s ago", k.File, size(k.Size), k.Release, ago(k.Time))})
	}
	if err := table(w, nil, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
