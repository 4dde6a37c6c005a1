package main

import (
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/spf13/cobra"
)

func newRunCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve plugins and reload them as they change",
		Long: `Run serves the routes of plugins over HTTP and reloads plugins while it serves: those in dev mode as soon as their
image changes, those in prod mode on "sohost deploy".

With neither a configuration nor --plugin, it serves each *.so of the plugins directory (build/plugins) in dev mode under
/NAME, those that come later too, and keeps its store below $XDG_STATE_HOME or ~/.local/state. A configuration is read from
sohost.toml in the working directory or the file named by --config; flags override it:

  listen = "127.0.0.1:8181"
  [plugin.counter]
  image  = "build/plugins/counter.so"   # relative to the file
  mode   = "prod"                       # or "dev"
  routes = ["/counter"]                 # the longest prefix wins
  args   = { step = "2" }

It is two processes: a supervisor, which stays, and a worker, which serves and is followed by a fresh one when that is due, when it
dies and when it hangs. No request fails at a handover; when a worker dies those that it has fail, and the next ones wait.

SIGINT or SIGTERM ends it: no new requests are taken, the running ones finish. A second one ends it at once. SIGUSR2 replaces it by
the program that now stands where it was started from, see "sohost handover --help".`,
		Example: `  sohost run
  sohost run --listen 127.0.0.1:9000 --plugins out/plugins
  sohost run --config /etc/sohost.toml
  sohost run --plugin counter=build/plugins/counter.so,mode=dev,route=/counter,arg.step=2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if l, err := supervisor.Inherit(); l != nil || err != nil {
				if err != nil {
					return err
				}
				log, err := newLogger(cmd.ErrOrStderr(), l.Start.LogFormat, l.Start.Verbose)
				if err != nil {
					return err
				}
				return resume(cmd.Context(), l, log)
			}
			if err := r.load(cmd); err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), r.logFormat, r.verbose)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), &r, log)
		},
	}
	r.add(cmd)
	return cmd
}
