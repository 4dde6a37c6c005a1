package main

import (
	"fmt"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newRollbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback [PLUGIN...]",
		Short: "Go back to the images of an earlier release",
		Long: `Rollback makes the images of an earlier release current again, as a new release. The earlier release is the one before the
current one, or the one that --to names. If plugins are named, only they go back. Repeating the command goes back further.

State moves to the older code. What later code has removed of it comes back, if the release that did so isn't confirmed yet.

A plugin in dev mode stays rolled back until its image file changes.`,
		Example: `  sohost rollback
  sohost rollback counter
  sohost rollback --to 41`,
	}
	to := cmd.Flags().Int("to", 0, "`number` of the release to go back to, from \"sohost history\" (default: the previous one)")
	server, asJSON, loseState := connect(cmd), jsonFlag(cmd), loseStateFlag(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("to") && *to < 1 {
			return usageError{fmt.Errorf("--to %d: want the number of a release", *to)}
		}
		client, err := server()
		if err != nil {
			return err
		}
		client.Patience.Doing = "loading the images from before"
		reload, err := client.Rollback(cmd.Context(), control.RollbackRequest{To: *to, Plugins: args, LoseState: *loseState})
		return printReload(cmd, reload, err, *asJSON)
	}
	return cmd
}
