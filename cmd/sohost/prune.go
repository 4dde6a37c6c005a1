package main

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newPruneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove old releases, and images that only they use",
		Long: `Prune removes all but the newest releases from the store, and the images that no remaining release names. The current
release, the last confirmed release, and whatever the running server has in use always stay.`,
		Example: `  sohost prune --dry-run
  sohost prune --keep 3
  sohost prune --store /var/lib/sohost     # of a stopped server`,
		Args: cobra.NoArgs,
	}
	keep := cmd.Flags().Int("keep", generations.DefaultKeep, "`number` of the newest releases to keep")
	dryRun := cmd.Flags().Bool("dry-run", false, "show what would be removed, and remove nothing")
	store := cmd.Flags().String("store", "",
		"prune the store in this `directory` instead of asking the server; refused while a server uses it")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *keep < 1 {
			return usageError{fmt.Errorf("--keep %d: want a positive number", *keep)}
		}
		report, err := prune(cmd, *store, control.PruneRequest{Keep: *keep, DryRun: *dryRun}, server)
		if err != nil {
			return err
		}
		if *asJSON {
			report.Releases = append([]int{}, report.Releases...) // [] and not null
			report.Objects = append([]generations.Object{}, report.Objects...)
			return printJSON(cmd.OutOrStdout(), report)
		}
		verb := "removed"
		if *dryRun {
			verb = "would remove"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s and %s, %s\n", verb, count(len(report.Releases), "release"),
			count(len(report.Objects), "image"), size(report.Bytes))
		return err
	}
	return cmd
}

// prune asks the server, or without one opens the store.
func prune(cmd *cobra.Command, store string, in control.PruneRequest, server clientFunc) (generations.PruneReport, error) {
	if store == "" {
		client, err := server()
		if err != nil {
			return generations.PruneReport{}, err
		}
		client.Patience.Doing = "removing old releases"
		return client.Prune(cmd.Context(), in)
	}
	s, err := openStore(store)
	if err != nil {
		return generations.PruneReport{}, err
	}
	report, err := s.Prune(generations.PruneOptions{Keep: in.Keep, DryRun: in.DryRun})
	return report, errors.Join(err, s.Close())
}
