package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newHandoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "handover [PLUGIN[=FILE]...]",
		Short: "Move the plugins to a new worker process",
		Long: `Handover starts a new worker and moves the plugins to it, with their state and without losing a request. The memory of
all old generations is freed. The server does this on its own when it has to. If a handover fails, the old worker keeps serving.

The server reads its configuration again, as with "sohost reload", and takes it up in the same step. A fault in it refuses the
handover, unless --keep-config is given. A handover on its own keeps the configuration.

With --binary, the new worker, and then the supervisor, run another program: a new version of sohost, or one built with another
Go release. Each plugin's image must fit that program. If the current image doesn't, the plugin's configured file is used, so
build the plugins for the new program first, with "sohost build --host". For a plugin that is named, FILE is used, or its
configured file. The program is in probation for as long as the server's --probation says: if a worker of it dies meanwhile, the
program before serves again. It is the new program that reads the configuration: before anything is handed over, to refuse what
is faulty, and again once it has passed its probation, to take it up. Until then the configuration that served goes on.

SIGUSR2 to the server does the same with the program now at the path the server was started from.`,
		Example: `  sohost handover
  sohost handover --binary ./sohost-new`,
	}
	binary := cmd.Flags().String("binary", "", "`executable` that serves from now on")
	keepConfig := cmd.Flags().Bool("keep-config", false, "go on with the configuration that serves, whatever its file has now")
	server, asJSON, loseState := connect(cmd), jsonFlag(cmd), loseStateFlag(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		images, err := parseImages(args)
		if err != nil {
			return err
		}
		request := control.HandoverRequest{Why: "sohost handover", Images: images, LoseState: *loseState, KeepConfig: *keepConfig}
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
		client.Patience.Doing = "moving the plugins to a new worker"
		h, err := client.Handover(cmd.Context(), request)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), h)
		}
		if h.Warning != "" {
			warn(cmd.ErrOrStderr(), h.Warning)
		}
		return printHandover(cmd.OutOrStdout(), h)
	}
	return cmd
}

func printHandover(w io.Writer, h sohost.Handover) error {
	p, waited := h.Phases, "-"
	if h.Waited != nil {
		waited = fmt.Sprintf("%d, %s at most", h.Waited.Calls, short(h.Waited.Max))
	}
	err := table(w, []string{"FROM", "TO", "RELEASE", "PREPARE", "AHEAD", "DRAIN", "STATE", "COMMIT", "PUBLISH", "WAITED"}, [][]string{{
		fmt.Sprint(h.Giver), fmt.Sprint(h.Taker), fmt.Sprint(h.Release), short(p.Prepare), short(p.Ahead), short(p.Drain), short(p.State),
		short(p.Commit), short(p.Publish), waited,
	}})
	if len(h.Removed) > 0 {
		fmt.Fprintf(w, "\nremoved: %s; their state is saved\n", strings.Join(h.Removed, ", "))
	}
	if err != nil || len(h.Moves) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return printMoves(w, h.Release, h.Moves)
}
