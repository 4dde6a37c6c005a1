package main

import (
	"fmt"
	"strings"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

func newHistoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was deployed, refused and rolled back",
		Long: `History shows the latest events in the store, oldest first: what was booted, deployed, refused and rolled back. --store
reads the store of a stopped server.`,
		Example: `  sohost history
  sohost history -n 100 --json
  sohost history --store /var/lib/sohost     # of a stopped server`,
		Args: cobra.NoArgs,
	}
	n := cmd.Flags().IntP("number", "n", 20, "`number` of events to show")
	store := cmd.Flags().String("store", "", "read the store in this `directory` instead of asking the server")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *n < 1 {
			return usageError{fmt.Errorf("-n %d: want a positive number", *n)}
		}
		events, err := readHistory(cmd, *store, *n, server)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), append([]generations.Event{}, events...))
		}
		var rows [][]string
		for _, e := range events {
			if len(e.Lost) > 0 {
				e.Detail += "; lost: " + strings.Join(e.Lost, ", ")
			}
			rows = append(rows, []string{e.Time.Local().Format("2006-01-02 15:04:05"), string(e.Kind), orDash(e.Plugin),
				shortID(e.From), shortID(e.To), orDash(releaseNumber(e.Release)), cut(oneLine(e.Detail), 100)})
		}
		return styledTable(cmd.OutOrStdout(), []string{"TIME", "EVENT", "PLUGIN", "FROM", "TO", "RELEASE", "DETAIL"}, rows, 1,
			func(row []string) terminal.Style { return styleOfKind(generations.Kind(row[1])) })
	}
	return cmd
}

func readHistory(cmd *cobra.Command, store string, n int, server clientFunc) ([]generations.Event, error) {
	if store != "" {
		s, err := readStore(store)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return s.History(n)
	}
	client, err := server()
	if err != nil {
		return nil, err
	}
	return client.History(cmd.Context(), n)
}

func shortID(id generations.ID) string {
	if id.IsZero() {
		return "-"
	}
	return id.Short()
}

func releaseNumber(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
