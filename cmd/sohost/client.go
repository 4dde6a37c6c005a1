package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// installedConfig is the configuration of the server that a package installs.
const installedConfig = "/etc/sohost/sohost.toml"

// clientFunc returns a client of the server that a command's flags name.
type clientFunc func() (*control.Client, error)

// connect adds the flags that name a server to a command, and returns the function that makes its client.
func connect(cmd *cobra.Command) clientFunc {
	f := cmd.Flags()
	socket := f.String("control", "",
		"`path` of the server's control socket (default $"+controlEnv+", or where its configuration puts it)")
	f.String("config", "", "the server's configuration `file` (default "+defaultConfig+", or "+installedConfig+" where there is no server)")
	wait := f.Duration("wait", 0, "how `long` to wait for the server's answer (default: 30s to ask, and as long as it lives to have something done)")
	f.String("plugins", "", "the server's plugins `directory`, if it was started with --plugins (default "+defaultPlugins+")")
	return func() (*control.Client, error) {
		if *wait < 0 {
			return nil, usageError{fmt.Errorf("--wait %v: want how long to wait, such as 1m, or 0 for the default", *wait)}
		}
		path := cmp.Or(*socket, os.Getenv(controlEnv))
		if path == "" { // where the socket is named, a faulty configuration doesn't matter
			c, err := serverConfig(cmd)
			if faulty := new(faultsError); errors.As(err, &faulty) {
				c, err = faulty.server(cmd, err)
			}
			if err != nil {
				return nil, err
			}
			path = c.Control
		}
		if err := checkAccess(path); err != nil {
			return nil, err
		}
		client := control.NewClient(path)
		n := notice{to: cmd.ErrOrStderr()}
		client.Patience = control.Patience{Answer: *wait, Tell: n.tell}
		if p, ok := otlp.ParseParent(os.Getenv("TRACEPARENT")); ok { // of a CI system, say
			client.Trace = p.String()
		}
		return client, nil
	}
}

// notice shows what a command waits for.
type notice struct {
	to       io.Writer
	progress *progress // nil while it waits for nothing
	item     *item
}

// tell shows what the command waits for now; "" ends that.
func (n *notice) tell(what string) {
	switch {
	case what == "":
		n.progress.stop()
		n.progress = nil
		return
	case n.progress == nil:
		n.progress = newProgress(n.to, "")
	default:
		n.item.end()
	}
	n.item = n.progress.beginAfter(what, 0)
}

// checkAccess fails if the socket belongs to another user. The client would report that no server answers.
func checkAccess(socket string) error {
	err := unix.Faccessat(unix.AT_FDCWD, socket, unix.W_OK, unix.AT_EACCESS)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the control socket %s belongs to another user than %d; run the command as the server's user, or as root",
			socket, os.Geteuid())
	}
	return nil
}

// serverConfig returns the configuration of the server that the flags of connect name, as far as a command can know it.
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
	if err := c.locate(); err != nil {
		return nil, err
	}
	if file == "" && c.dir == "" && !f.Changed("plugins") {
		return c.orInstalled(installedConfig)
	}
	return c, nil
}

// server returns where the server of a file with faults has its control socket, if there is one: commands reach it whatever the file has
// become since. Otherwise it returns err.
func (e *faultsError) server(cmd *cobra.Command, err error) (*config, error) {
	plugins, _ := cmd.Flags().GetString("plugins")
	c, unknown := located(e.file, "", plugins)
	if unknown != nil {
		return nil, err
	}
	if _, none := os.Stat(c.Control); none != nil {
		return nil, err
	}
	return c, nil
}

// orInstalled returns the configuration in file, that of a server which a package has installed, if there is one and c, which
// nothing but defaults names, has no server.
func (c *config) orInstalled(file string) (*config, error) {
	if _, err := os.Stat(c.Control); !errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	installed, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return installed, installed.locate()
}

// isNoServer reports whether err says that no server answers.
func isNoServer(err error) bool { return errors.Is(err, control.ErrNoServer) }
