package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// defaultPlugins is the directory that is served when nothing else is named.
const defaultPlugins = "build/plugins"

// controlEnv names the control socket for every command, beneath --control and above the configuration.
const controlEnv = "SOHOST_CONTROL"

// locate fills in where a server has its store and its control socket, where c names neither: a server and the commands for
// it must come to the same answer.
func (c *config) locate() error {
	if c.Store != "" && c.Control != "" {
		return nil
	}
	dir, err := stateDir(c.pluginsDir())
	if err != nil {
		return err
	}
	if c.Store == "" {
		c.Store = filepath.Join(dir, "store")
	}
	if c.Control == "" {
		c.Control = filepath.Join(dir, "control.sock")
	}
	return nil
}

// pluginsDir is the directory whose images are served, or would be if plugins weren't named one by one.
func (c *config) pluginsDir() string {
	if c.Plugins != "" {
		return c.Plugins
	}
	return filepath.Join(c.dir, defaultPlugins)
}

// stateDir is the folder for what a server keeps, if it isn't told where. It is named after the plugins directory, so that
// servers of different checkouts don't meet, and commands given beside it find it.
func stateDir(plugins string) (string, error) {
	abs, err := filepath.Abs(plugins)
	if err != nil {
		return "", err
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the store: %w; name one with --store and --control", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(base, "sohost", hex.EncodeToString(sum[:6])), nil
}
