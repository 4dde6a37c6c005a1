package main

import (
	"errors"

	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/spf13/cobra"
)

func newRunCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve plugins and reload them as they change",
		Long: `Run serves plugins over HTTP and reloads them without a restart: a plugin in dev mode as soon as its image file changes,
one in prod mode on "sohost deploy".

Without a configuration and without --plugin, it serves each *.so file of the plugins directory (build/plugins) in dev mode
under /NAME, including files that appear later, and keeps its store below $XDG_STATE_HOME or ~/.local/state. The configuration is
sohost.toml in the working directory, or the file that --config names. Its keys are the flags below, with _ in place of -, and
flags override it:

  listen = "127.0.0.1:8181"
  [plugin.counter]
  image  = "build/plugins/counter.so"   # relative to the file
  mode   = "prod"                       # or "dev"
  routes = ["/counter"]                 # the longest prefix wins
  args   = { step = "2" }

The server is two processes: a supervisor, which keeps running, and a worker, which serves. A new worker takes over in a
handover, and when the old one dies or hangs. No request fails in a handover. When a worker dies, its running requests fail, and
later ones wait for the next worker.

SIGINT or SIGTERM stops the server: it takes no new requests and finishes the running ones. A second signal stops it at once.
SIGHUP has the server read its configuration again; see "sohost reload --help".
SIGUSR2 replaces the server with the program now at the path it was started from; see "sohost handover --help".`,
		Example: `  sohost run
  sohost run --listen 127.0.0.1:9000 --plugins out/plugins
  sohost run --config /etc/sohost/sohost.toml
  sohost run --plugin counter=build/plugins/counter.so,mode=dev,route=/counter,arg.step=2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := supervisor.Inherit(r.rereader(cmd))
			if errors.Is(err, supervisor.ErrRehearsal) {
				return nil
			}
			if err != nil {
				return err
			}
			if l != nil {
				log, err := newLogger(cmd.ErrOrStderr(), l.Start.LogFormat, l.Start.Verbose)
				if err != nil {
					return err
				}
				return resume(cmd.Context(), l, r.rereader(cmd), log)
			}
			if err := r.load(cmd); err != nil {
				return r.atStart(cmd, err)
			}
			log, err := newLogger(cmd.ErrOrStderr(), r.logFormat, r.verbose)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), &r, r.rereader(cmd), log)
		},
	}
	r.add(cmd)
	return cmd
}
