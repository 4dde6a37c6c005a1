package main

import (
	"errors"
	"fmt"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show reloads under load, in less than a minute",
		Long: `Demo writes a small plugin to a temporary folder, builds and serves it, and sends it requests without a break. Meanwhile it
changes the plugin's code six times, once so that it doesn't compile, and moves the server to another process. In the end it says
how many requests there were, how many failed, and whether the plugin has counted each of them, through all versions of its code.

It needs the go command, and nothing else of this machine: the server has a port and a folder of its own. The first run takes
longer, because it compiles the standard library for plugins. SIGINT ends it early. Nothing is left behind.

It exits with 1 if a request failed or wasn't counted.`,
		Example: `  sohost demo
  sohost demo --pause 5s
  sohost demo --json | jq .longest_ns`,
		Args: cobra.NoArgs,
	}
	pause := cmd.Flags().Duration("pause", 2*time.Second, "`time` to wait before each change")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *pause < 0 {
			return usageError{fmt.Errorf("--pause %v: want a time that isn't negative", *pause)}
		}
		if _, err := exec.LookPath("go"); err != nil {
			return errors.New("the demo builds a plugin with the go command, which isn't in $PATH: install Go, or add its bin folder to $PATH; " +
				"nothing was done")
		}
		// When the terminal or whoever reads is gone, the server must not stay.
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
		defer stop()
		view := newDemoView(cmd.OutOrStdout())
		if *asJSON {
			view = newDemoView(nil)
		}
		d := demo{view: view, pause: *pause, progress: cmd.ErrOrStderr()}
		r, err := d.run(ctx)
		view.end()
		if ctx.Err() != nil {
			return errors.New("the demo was interrupted; nothing of it is left")
		}
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), r)
		} else {
			err = r.print(cmd.OutOrStdout())
		}
		return errors.Join(err, r.verdict())
	}
	return cmd
}
