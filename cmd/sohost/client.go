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
	f := cmd.Flags()
	socket := f.String("control", "", "the server's control socket (default $"+controlEnv+", or where its configuration puts it)")
	file := f.String("config", "", "the server's configuration `file` (default sohost.toml, if there is one)")
	plugins := f.String("plugins", "", "the server's plugins `directory`, if it was given one (default "+defaultPlugins+")")
	return func() (*control.Client, error) {
		if *socket != "" {
			return control.NewClient(*socket), nil
		}
		c, err := loadConfig(*file)
		if err != nil {
			return nil, err
		}
		if err := c.locate(*plugins); err != nil {
			return nil, err
		}
		return control.NewClient(c.Control), nil
	}
}

// isNoServer says whether err is that no server answers.
func isNoServer(err error) bool { return errors.Is(err, control.ErrNoServer) }
