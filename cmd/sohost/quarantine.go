package main

import (
	"fmt"
	"io"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newQuarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List the images that crashed a worker, or let one be tried again",
		Long: `An image that crashes the worker goes into quarantine: its plugin falls back to an earlier image, and the image is not
tried again until --lift allows it. After that, "sohost deploy" loads it. If it isn't certain that it was this image, or if there is
none to fall back to, the server tries it again by itself: after a minute, then after two, four and so on, up to an hour.`,
		Example: `  sohost quarantine
  sohost quarantine --lift 6b7a76b4f381`,
		Args: cobra.NoArgs,
	}
	lift := cmd.Flags().String("lift", "", "`id`, or its beginning, of an image that may be tried again")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RegisterFlagCompletionFunc("lift", completeQuarantined(server))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("lift") {
			return liftQuarantine(cmd, client, *lift, *asJSON)
		}
		qs, err := client.Quarantines(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), qs)
		}
		return printQuarantines(cmd.OutOrStdout(), qs)
	}
	return cmd
}

func liftQuarantine(cmd *cobra.Command, client *control.Client, image string, asJSON bool) error {
	q, err := client.LiftQuarantine(cmd.Context(), control.LiftRequest{Image: image})
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), q)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may be tried again: `sohost deploy %s=FILE` loads it\n", q.Image.Short(), q.Plugin)
	return err
}

func printQuarantines(w io.Writer, qs []generations.Quarantine) error {
	if len(qs) == 0 {
		_, err := fmt.Fprintln(w, "no image is in quarantine")
		return err
	}
	var rows [][]string
	for _, q := range qs {
		rows = append(rows, []string{q.Image.Short(), q.Plugin, ago(q.Time), orDash(q.Evidence), nextTry(q), q.Reason})
	}
	return table(w, []string{"IMAGE", "PLUGIN", "AGE", "EVIDENCE", "NEXT TRY", "REASON"}, rows)
}

// nextTry returns when the server tries an image in quarantine again by itself.
func nextTry(q generations.Quarantine) string {
	if q.Next.IsZero() {
		return "when lifted"
	}
	return q.Next.Local().Format("15:04:05")
}
