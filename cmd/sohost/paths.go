package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// defaultPlugins is the directory that is served when there is no configuration.
const defaultPlugins = "build/plugins"

// controlEnv overrides the path of the control socket for every command.
const controlEnv = "SOHOST_CONTROL"

// stateDir is the folder for the store and the control socket of a server without configuration. It is named after the
// plugins directory, so that servers of different checkouts don't meet, and commands given beside it find it.
func stateDir(plugins string) (string, error) {
	abs, err := filepath.Abs(plugins)
	if err != nil {
		return "", err
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the store: %w; name one with --store", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(base, "sohost", hex.EncodeToString(sum[:6])), nil
}

// controlPath finds the socket: the --control flag, the environment, the configuration, or the default beside plugins.
func controlPath(flag, plugins string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if env := os.Getenv(controlEnv); env != "" {
		return env, nil
	}
	if c, err := loadConfig(""); err != nil {
		return "", err
	} else if c != nil && c.Control != "" {
		return c.Control, nil
	}
	dir, err := stateDir(plugins)
	return filepath.Join(dir, "control.sock"), err
}
