package main

import (
	"errors"

	"github.com/sohost/sohost/internal/control"
	"github.com/spf13/cobra"
)

// clientFunc makes the client of the server that a command's flags name.
type clientFunc func() (*control.Client, error)

// connect adds the flags that say which server a command is for, and returns how to get at its client.
func connect(cmd *cobra.Command) clientFunc {
	path := cmd.Flags().String("control", "", "path of the server's control socket (default $"+controlEnv+", sohost.toml, or beside the default store)")
	plugins := cmd.Flags().String("plugins", defaultPlugins, "plugins directory of a server that runs without configuration")
	return func() (*control.Client, error) {
		p, err := controlPath(*path, *plugins)
		if err != nil {
			return nil, err
		}
		return control.NewClient(p), nil
	}
}

// isNoServer says whether err is that no server answers.
func isNoServer(err error) bool { return errors.Is(err, control.ErrNoServer) }
