package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2/unstable"
)

// defaultPlugins is the plugins directory if neither a directory nor a plugin is named.
const defaultPlugins = "build/plugins"

// controlEnv names the control socket for every command. It overrides the configuration; --control overrides it.
const controlEnv = "SOHOST_CONTROL"

// locate sets the default store and control socket. A server and the commands for it must come to the same answer.
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

// located returns where the server of a file is, whatever else is wrong with that. The store and the plugins directory that are given
// count before those that it names. The error says what can't be known: a default in its place might be another server's.
func located(file, store, plugins string) (*config, error) {
	text, err := readConfig(file)
	if err != nil {
		return nil, err
	}
	c := &config{dir: filepath.Dir(file), Store: store, Plugins: plugins}
	paths := map[string]*string{"store": &c.Store, "control": &c.Control, "plugins": &c.Plugins}
	for line := range bytes.Lines(text) { // each for itself: a fault in one hides no other
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("[")) {
			break // a table begins
		}
		key, _, _ := bytes.Cut(line, []byte("="))
		name := string(bytes.Trim(key, "\"' \t"))
		to := paths[name]
		if to == nil || *to != "" {
			continue
		}
		var p unstable.Parser
		if p.Reset(line); p.NextExpression() && p.Expression().Kind == unstable.KeyValue && p.Expression().Value().Kind == unstable.String {
			*to = absoluteTo(c.dir, string(p.Expression().Value().Data))
		} else {
			err = fmt.Errorf("%s: %s can't be read", file, name)
		}
	}
	if err != nil && (c.Store == "" || c.Control == "") {
		return nil, err
	}
	return c, c.locate()
}

// pluginsDir returns the plugins directory, or the default one.
func (c *config) pluginsDir() string {
	if c.Plugins != "" {
		return c.Plugins
	}
	return filepath.Join(c.dir, defaultPlugins)
}

// stateDir returns the default directory for a server's files. It is named after the plugins directory, so that servers in
// different checkouts don't collide and commands run next to a server find it.
func stateDir(plugins string) (string, error) {
	abs, err := filepath.Abs(plugins)
	if err != nil {
		return "", err
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a directory for the store: %w; name one with --store and --control", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(base, "sohost", hex.EncodeToString(sum[:6])), nil
}
