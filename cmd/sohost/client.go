package main

import (
	"errors"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

// clientFunc makes the client of the server that a command's flags name.
type clientFunc func() (*control.Client, error)

// connect adds the flags that say which server a command is for, and returns how to get at its client.
func connect(cmd *cobra.Command) clientFunc {
	f := cmd.Flags()
	socket := f.String("control", "", "`path` of the server's control socket (default $"+controlEnv+", or where its configuration puts it)")
	f.String("config", "", "the server's configuration `file` (default sohost.toml, if there is one)")
	f.String("plugins", "", "the server's plugins `directory`, if it was given one (default "+defaultPlugins+")")
	return func() (*control.Client, error) {
		if *socket != "" { // whatever is wrong with a configuration here
			return control.NewClient(*socket), nil
		}
		c, err := serverConfig(cmd)
		if err != nil {
			return nil, err
		}
		return control.NewClient(c.Control), nil
	}
}

// serverConfig is the configuration of the server that the flags of connect name, as far as a command beside it can know.
func serverConfig(cmd *cobra.Command) (*config, error) {
	f := cmd.Flags()
	file, _ := f.GetString("config")
	c, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	if plugins, _ := f.GetString("plugins"); plugins != "" {
		c.Plugins = plugins
	}
	return c, c.locate()
}

// isNoServer says whether err is that no server answers.
func isNoServer(err error) bool { return errors.Is(err, control.ErrNoServer) }
