package main

import "github.com/spf13/cobra"

func newStateExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export PLUGIN|FILE",
		Short: "Write a plugin's last checkpoint as JSON",
		Long: `Export writes all of a state on disk as JSON: of a plugin the last checkpoint, or any file of a store's folder state. Integers
have all their digits, and bytes are base64. docs/state.md describes the form of maps, interfaces and of what is referred to
twice.`,
		Example: `  sohost state export counter > counter.json
  sohost state export store/state/counter.cbor.1`,
		Args: cobra.ExactArgs(1),
	}
	read := stateReader(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := read(args[0])
		if err != nil {
			return err
		}
		return f.tree.WriteJSON(cmd.OutOrStdout())
	}
	return cmd
}
