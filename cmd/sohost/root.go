package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sohost",
		Short: "Serve Go plugins and reload them while they serve",
		Long: `Sohost serves Go plugins (-buildmode=plugin images) and replaces their code while it serves: no request is lost, state
moves into the new code, and an image that can't be loaded leaves the old code serving.`,
		Example: `  sohost build ./plugins/counter     # make an image
  sohost run                         # serve build/plugins/*.so
  sohost dev ./plugins/counter       # rebuild and reload on save`,
		Version:       version(),
		SilenceErrors: true, // main prints them, once
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")}
	})
	root.AddCommand(
		newRunCommand(), newBuildCommand(), newDevCommand(), newNewCommand(), newInspectCommand(), newCheckCommand(),
		newDeployCommand(), newRollbackCommand(), newStatusCommand(), newHistoryCommand(), newPruneCommand(),
		newToolexecCommand(),
	)
	for _, cmd := range root.Commands() {
		if args := cmd.Args; args != nil {
			cmd.Args = func(cmd *cobra.Command, given []string) error {
				if err := args(cmd, given); err != nil {
					return usageError{fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")}
				}
				return nil
			}
		}
	}
	return root
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
