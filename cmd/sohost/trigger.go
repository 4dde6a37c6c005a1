package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newTriggerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "List, add, remove, enable and disable triggers",
		Long: `A trigger calls a plugin: with rows that are written, at set times, or with requests for a path of its own. Those of sohost.toml
and those that were added by command are named PLUGIN/TRIGGER. What is added or disabled by command stays over restarts.`,
		Example: `  sohost trigger list
  sohost trigger add rollup every:1m --arg window=1m
  sohost trigger enable rollup/every-1m`,
	}
	cmd.AddCommand(
		newTriggerListCommand(), newTriggerAddCommand(), newTriggerRemoveCommand(), newTriggerEnableCommand(),
		newTriggerDisableCommand(), newTriggerReplayCommand(),
	)
	return cmd
}

func newTriggerListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the triggers of all plugins",
		Long:    "List shows each trigger with what it does, its queue, its errors, and when it is due. Status shows the same.",
		Example: `  sohost trigger list`,
		Args:    cobra.NoArgs,
	}
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := server()
		if err != nil {
			return err
		}
		all, err := client.Triggers(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), all)
		}
		if len(all) == 0 {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "no plugin has a trigger: `sohost trigger add` adds one")
			return err
		}
		return printTriggers(cmd.OutOrStdout(), all)
	}
	return cmd
}

func newTriggerAddCommand() *cobra.Command {
	var t sohost.Trigger
	var onError, missed string
	cmd := &cobra.Command{
		Use:   "add PLUGIN SPEC",
		Short: "Add a trigger to a plugin",
		Long: `Add adds a trigger to a plugin of the running server. SPEC is "write:TABLE", "write:*", "every:DURATION", "cron:EXPRESSION" or
"request:PATH". What the plugin serves must have the method that the trigger calls.`,
		Example: `  sohost trigger add rollup write:cpu --on-error retry
  sohost trigger add rollup every:1h --name flush --arg window=24h`,
		Args: cobra.ExactArgs(2),
	}
	f := cmd.Flags()
	f.StringVar(&t.Name, "name", "", "`name` of the trigger (default one made of SPEC)")
	f.StringToStringVar(&t.Args, "arg", nil, "an argument, `KEY=VALUE`; may be repeated")
	f.StringVar(&onError, "on-error", "", "what follows an error: `policy` log, retry or disable (default log)")
	f.IntVar(&t.Attempts, "attempts", 0, "with retry, how often a call is made at most (default 5)")
	f.DurationVar(&t.Timeout, "timeout", 0, "when the context of a call ends (default 1m)")
	f.IntVar(&t.QueueRows, "queue-rows", 0, "limit for the rows that wait (default 1000000)")
	f.Int64Var(&t.QueueBytes, "queue-bytes", 0, "and for about how many bytes they take (default 67108864)")
	f.StringVar(&missed, "missed", "", "what becomes of times that pass while no server runs: `mode` skip or once (default skip)")
	f.BoolVar(&t.Disabled, "disabled", false, "the trigger is disabled until it is enabled")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t.Spec = args[1]
		t.OnError, t.Missed = sohost.TriggerPolicy(onError), sohost.MissedTimes(missed)
		client, err := server()
		if err != nil {
			return err
		}
		s, err := client.AddTrigger(cmd.Context(), control.TriggerRequest{Plugin: args[0], Trigger: t})
		return printTrigger(cmd.OutOrStdout(), s, err, *asJSON, "added %s")
	}
	return cmd
}

// triggerCommand makes a command for one trigger.
func triggerCommand(use, short, long string, run func(*cobra.Command, *control.Client, sohost.TriggerKey, bool) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " PLUGIN/TRIGGER", Short: short, Long: long, Example: "  sohost trigger " + use + " rollup/every-1m", Args: cobra.ExactArgs(1),
	}
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeTriggers(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := sohost.ParseTriggerKey(args[0])
		if err != nil {
			return usageError{err}
		}
		client, err := server()
		if err != nil {
			return err
		}
		return run(cmd, client, key, *asJSON)
	}
	return cmd
}

func newTriggerRemoveCommand() *cobra.Command {
	return triggerCommand("remove", "Remove a trigger that was added by command",
		"Remove removes a trigger that was added by command. What waits in its queue is dropped; what was put aside stays.",
		func(cmd *cobra.Command, client *control.Client, key sohost.TriggerKey, asJSON bool) error {
			s, err := client.RemoveTrigger(cmd.Context(), key)
			return printTrigger(cmd.OutOrStdout(), s, err, asJSON, "removed %s")
		})
}

func newTriggerEnableCommand() *cobra.Command {
	return triggerCommand("enable", "Enable a trigger",
		"Enable enables a trigger, whatever has disabled it. Rows that were put aside when it was disabled are delivered first.",
		func(cmd *cobra.Command, client *control.Client, key sohost.TriggerKey, asJSON bool) error {
			s, err := client.EnableTrigger(cmd.Context(), key)
			return printTrigger(cmd.OutOrStdout(), s, err, asJSON, "enabled %s")
		})
}

func newTriggerDisableCommand() *cobra.Command {
	return triggerCommand("disable", "Disable a trigger",
		"Disable disables a trigger until it is enabled, also over restarts. A call that runs goes on. Rows that wait are put aside,\n"+
			"and delivered first when it is enabled; writes that come later pass it by.",
		func(cmd *cobra.Command, client *control.Client, key sohost.TriggerKey, asJSON bool) error {
			s, err := client.DisableTrigger(cmd.Context(), key)
			return printTrigger(cmd.OutOrStdout(), s, err, asJSON, "disabled %s")
		})
}

func newTriggerReplayCommand() *cobra.Command {
	return triggerCommand("replay", "Deliver again what a plugin could not handle",
		"Replay delivers what was put aside after errors to the plugin again, each once, the oldest first. What fails again stays.",
		func(cmd *cobra.Command, client *control.Client, key sohost.TriggerKey, asJSON bool) error {
			r, err := client.ReplayTrigger(cmd.Context(), key)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d delivered, %d failed again\n", r.Delivered, r.Failed)
			}
			if err == nil && r.Failed > 0 {
				err = fmt.Errorf("the last error: %s; what failed stays", r.Error)
			}
			return err
		})
}

// printTrigger prints what became of one trigger.
func printTrigger(w io.Writer, s sohost.TriggerStatus, err error, asJSON bool, text string) error {
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, s)
	}
	if _, err = fmt.Fprintf(w, text+"\n", s.Plugin+"/"+s.Name); err == nil {
		err = printUnsaved(w, []sohost.TriggerStatus{s})
	}
	return err
}

// printUnsaved says so if the state of triggers can't be saved.
func printUnsaved(w io.Writer, all []sohost.TriggerStatus) (err error) {
	if len(all) > 0 && all[0].Unsaved != "" {
		_, err = fmt.Fprintf(w, "\nthe store can't keep this now, so that a restart goes back to what it has; it is tried again every second: %s\n", all[0].Unsaved)
	}
	return err
}

// printTriggers prints triggers as a table, and below it why some are not ready.
func printTriggers(w io.Writer, all []sohost.TriggerStatus) error {
	var rows [][]string
	for _, t := range all {
		queue, next := "-", "-"
		if t.Writes > 0 {
			queue = fmt.Sprintf("%d rows, %s, %s", t.Rows, size(t.Bytes), ago(t.Oldest))
		}
		if !t.Next.IsZero() {
			next = "in " + short(max(0, time.Until(t.Next).Round(100*time.Millisecond)))
		}
		rows = append(rows, []string{t.Plugin + "/" + t.Name, t.Spec, string(t.State), fmt.Sprint(t.Runs), fmt.Sprint(t.Errors), fmt.Sprint(t.Skipped),
			queue, next, ago(t.LastRun)})
	}
	if err := table(w, []string{"TRIGGER", "SPEC", "STATE", "RUNS", "ERRORS", "SKIPPED", "QUEUE", "NEXT", "LAST RUN"}, rows); err != nil {
		return err
	}
	for _, t := range all {
		var says []string
		if t.Why != "" {
			says = append(says, fmt.Sprintf("%s: %s", t.State, t.Why))
		}
		if t.LastError != "" && !strings.Contains(t.Why, t.LastError) {
			says = append(says, fmt.Sprintf("the last error, %s ago: %s", ago(t.LastFault), t.LastError))
		}
		if t.Letters > 0 {
			says = append(says, fmt.Sprintf("%d put aside: `sohost trigger replay %s/%s` delivers them again", t.Letters, t.Plugin, t.Name))
		}
		if t.PassedBy > 0 {
			says = append(says, count(int(t.PassedBy), "write")+" passed it by while it was disabled")
		}
		if t.Refused > 0 {
			says = append(says, count(int(t.Refused), "write")+" refused because its queue was full")
		}
		for _, text := range says {
			fmt.Fprintf(w, "\n%s/%s: %s\n", t.Plugin, t.Name, text)
		}
	}
	return printUnsaved(w, all)
}

// printTriggersOf prints the triggers of plugins, if there are any.
func printTriggersOf(w io.Writer, plugins []sohost.PluginStatus) error {
	var all []sohost.TriggerStatus
	for _, p := range plugins {
		all = append(all, p.Triggers...)
	}
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printTriggers(w, all)
}
