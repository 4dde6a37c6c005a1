package main

import (
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running server serves",
		Long: `Status shows in one line how the plugins are; the server's processes and their memory, the last handover and the reason for
it, recent crashes; and for each plugin its current generation, what that costs, and its last reload. Below the table are the chains
of routes; the checkpoints of plugins with state, and why one could not be taken; which packages plugins share; sinks for rows that
plugins emit; triggers, with their queues and errors; refused images, each with every reason, while the plugin's current generation
keeps serving; files in the plugins directory that are no plugins; and the images in quarantine.

With --plugin, --state or --failing, only those plugins are shown, also with --json; of several, all must hold. States are: serving;
down, nothing serves; booting; refused, the newest image was not taken; quarantine, an image of it is there; moving, callers wait
while its state moves; draining, calls still run in older code. A plugin is failing if it is down, refused or in quarantine, has
lost state, or its checkpoints, background work or triggers fail.

The table is as wide as the terminal, or as $COLUMNS says: names are cut, then columns left out. --json has everything.

--watch shows the status anew whenever it changes. Where that can't be redrawn, each change is one line. SIGINT ends it.`,
		Example: `  sohost status
  sohost status --watch --failing
  sohost status --plugin 'shop-*' --state refused,down
  sohost status --json | jq '.plugins[] | {name, generation}'`,
		Args: cobra.NoArgs,
	}
	var f statusFilter
	cmd.Flags().StringVar(&f.plugin, "plugin", "", "show only plugins whose names match this `glob`")
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "show only plugins in one of these `states`")
	cmd.Flags().BoolVar(&f.failing, "failing", false, "show only plugins that somebody should look after")
	watch := cmd.Flags().Bool("watch", false, "show each change, until interrupted")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return usageError{err}
		}
		client, err := server()
		if err != nil {
			return err
		}
		if *watch {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			w := statusWatch{client: client, filter: f, out: cmd.OutOrStdout(), asJSON: *asJSON}
			return w.run(ctx)
		}
		if *asJSON && !f.any() {
			s, err := client.StatusJSON(cmd.Context())
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), s)
		}
		s, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), f.of(s))
		}
		page := terminal.NewPage(cmd.OutOrStdout())
		if err := printStatus(page, s, f); err != nil {
			return err
		}
		return page.Print(cmd.OutOrStdout())
	}
	return cmd
}

// printStatus prints a status, or what a filter leaves of it.
func printStatus(w io.Writer, s control.Status, f statusFilter) error {
	printSummary(w, s)
	if f.any() {
		s = f.of(s)
		s.Chains, s.Backlog, s.Sinks, s.Hooks, s.Ignored = nil, nil, nil, nil, nil
	} else {
		printProcesses(w, s)
	}
	nothing := ""
	switch {
	case s.Unknown != "":
		nothing = "plugins   unknown: " + s.Unknown
	case len(s.Plugins) == 0 && f.any():
		nothing = "no such plugin"
	case len(s.Plugins) == 0:
		nothing = "no plugins yet: a *.so file is served as soon as `sohost build` has put it into the plugins directory"
	default:
		return printPlugins(w, s)
	}
	_, err := fmt.Fprintln(w, nothing)
	return err
}
