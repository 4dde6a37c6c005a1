package main

import (
	"fmt"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newQuarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List the images that crashed a worker, or let one be tried again",
		Long: `An image that crashes the worker goes into quarantine: its plugin falls back to an earlier image, and the image is not tried
again until --lift allows it. After that, "sohost deploy" loads it.`,
		Example: `  sohost quarantine
  sohost quarantine --lift 6b7a76b4f381`,
		Args: cobra.NoArgs,
	}
	lift := cmd.Flags().String("lift", "", "`id`, or its beginning, of an image that may be tried again")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RegisterFlagCompletionFunc("lift", func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var ids []cobra.Completion
		if client, err := server(); err == nil {
			qs, _ := client.Quarantines(cmd.Context()) // no server, no ids
			for _, q := range qs {
				ids = append(ids, cobra.CompletionWithDesc(q.Image.Short(), q.Plugin))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if cmd.Flags().Changed("lift") {
			q, err := client.LiftQuarantine(cmd.Context(), control.LiftRequest{Image: *lift})
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(out, q)
			}
			_, err = fmt.Fprintf(out, "%s may be tried again: `sohost deploy %s=FILE` loads it\n", q.Image.Short(), q.Plugin)
			return err
		}
		qs, err := client.Quarantines(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(out, qs)
		}
		if len(qs) == 0 {
			_, err := fmt.Fprintln(out, "no image is in quarantine")
			return err
		}
		var rows [][]string
		for _, q := range qs {
			rows = append(rows, []string{q.Image.Short(), q.Plugin, ago(q.Time), q.Reason})
		}
		return table(out, []string{"IMAGE", "PLUGIN", "AGE", "REASON"}, rows)
	}
	return cmd
}
