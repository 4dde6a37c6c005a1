package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newHandoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "handover [PLUGIN[=FILE]...]",
		Short: "Bring the plugins into a fresh process",
		Long: `Handover starts a fresh process and brings the plugins into it, with their state and without losing a request. The memory
of all old generations comes back. The server does this by itself when it is due; if it fails, the process that served serves on.

With --binary the fresh process, and then the server, is another program: a new version of sohost, or one that was built with
another Go release. Each plugin's image must fit it. Where the one that serves doesn't, the plugin's configured file is taken, so
build the plugins for it first, with "sohost build --host". With plugins named, FILE is taken, or the configured file.

SIGUSR2 to the server does the same with the program that now stands where the server's was started from.`,
		Example: `  sohost handover
  sohost handover --binary ./sohost-new`,
	}
	binary := cmd.Flags().String("binary", "", "`executable` that is to serve from now on")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		images, err := parseImages(args)
		if err != nil {
			return err
		}
		request := control.HandoverRequest{Why: "sohost handover", Images: images}
		if *binary != "" {
			if request.Program, err = filepath.Abs(*binary); err != nil {
				return err
			}
			if _, err := os.Stat(request.Program); err != nil {
				return err
			}
		}
		client, err := server()
		if err != nil {
			return err
		}
		p := newProgress(cmd.ErrOrStderr(), "bringing")
		p.begin("the plugins into a fresh process")
		h, err := client.Handover(cmd.Context(), request)
		p.stop()
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), h)
		}
		if h.Warning != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "warning:", h.Warning)
		}
		return printHandover(cmd.OutOrStdout(), h)
	}
	return cmd
}

func printHandover(w io.Writer, h sohost.Handover) error {
	p, waited := h.Phases, "-"
	if h.Waited != nil {
		waited = fmt.Sprintf("%d, at most %s", h.Waited.Calls, short(h.Waited.Max))
	}
	err := table(w, []string{"FROM", "TO", "RELEASE", "PREPARE", "DRAIN", "STATE", "COMMIT", "PUBLISH", "WAITED"}, [][]string{{
		fmt.Sprint(h.Giver), fmt.Sprint(h.Taker), fmt.Sprint(h.Release), short(p.Prepare), short(p.Drain), short(p.State),
		short(p.Commit), short(p.Publish), waited,
	}})
	if err != nil || len(h.Moves) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return printMoves(w, h.Release, h.Moves)
}
