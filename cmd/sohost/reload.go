package main

import (
	"fmt"
	"io"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newReloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the server read its configuration again",
		Long: `Reload has the server read its configuration again, under the flags that it was started with, and serve it from a new worker:
plugins, routes, arguments, triggers, sinks and limits, all of it or, if anything is wrong with it, nothing. No request fails, with
one exception: who is on the way through a chain, and would miss a plugin of the new one, gets 503.

Plugins that are added serve what they served when they were last configured, or else their image file. The state of plugins that
are removed is saved: it is there again when they are added again. One whose state can't be saved is removed only with
--lose-state. A prod plugin's new image path is read on "sohost deploy".

The texts that serve and served before are kept in the store. --back goes back to the latter and leaves the file alone: the next
reload, handover by command or restart takes up the file again. Changes that were made by "sohost plugin" lie over either.

Addresses that are new are opened first, and one that can't be had refuses all of it; those that are gone are closed once the new
worker serves. The store, and what systemd has opened, change only when the server is restarted; reload and "sohost status" name
what has changed of that. SIGHUP to the server does the same as reload.`,
		Example: `  sohost reload --dry-run
  sohost reload
  sohost reload --back`,
		Args: cobra.NoArgs,
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "only print what would change")
	back := cmd.Flags().Bool("back", false, "take up the configuration from before the one that serves, instead of the file")
	server, asJSON, loseState := connect(cmd), jsonFlag(cmd), loseStateFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		client.Patience.Doing = "taking up the configuration"
		r, err := client.Reload(cmd.Context(), control.ReloadRequest{Why: "sohost reload", DryRun: *dryRun, LoseState: *loseState, Back: *back})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printConfigReload(cmd.OutOrStdout(), r)
	}
	return cmd
}

func printConfigReload(w io.Writer, r control.ConfigReload) error {
	printAmended(w, r.Amended)
	if r.Warning != "" {
		warn(w, r.Warning)
	}
	for _, a := range r.Opens {
		fmt.Fprintf(w, "open      %s on %s\n", a.What, a.Address)
	}
	for _, a := range r.Closes {
		fmt.Fprintf(w, "close     %s on %s\n", a.What, a.Address)
	}
	if len(r.Changes) == 0 && r.Handover == nil {
		_, err := fmt.Fprintln(w, "nothing has changed")
		return err
	}
	var rows [][]string
	for _, c := range r.Changes {
		note := ""
		if c.Restart {
			note = "needs a restart of the server"
		}
		rows = append(rows, []string{c.Key, orDash(c.Was), orDash(c.Is), note})
	}
	err := table(w, []string{"SETTING", "WAS", "IS", ""}, rows)
	if err != nil || r.Handover == nil {
		return err
	}
	fmt.Fprintln(w)
	return printHandover(w, *r.Handover)
}
