package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/spf13/cobra"
)

// keptConfig has the texts of the configuration file that serves and of the one before it, in a store. The text of no file is empty.
type keptConfig struct{ *generations.Folder }

// readKeptConfig returns that of a store, for reading.
func readKeptConfig(store string) keptConfig {
	return keptConfig{generations.ReadFolder(filepath.Join(store, supervisor.KeepFolder))}
}

const (
	servedName = "served.toml"
	beforeName = "before.toml"
)

func (k keptConfig) served() string { return k.Path(servedName) }

// next returns the files that make a text the one that serves, and the one that served until now the one before.
func (k keptConfig) next(text []byte) ([]generations.File, error) {
	served, err := os.ReadFile(k.served())
	switch {
	case err == nil && bytes.Equal(served, text):
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return []generations.File{keptText(servedName, text)}, nil
	case err != nil:
		return nil, err
	}
	return []generations.File{keptText(beforeName, served), keptText(servedName, text)}, nil
}

// keptText returns a file that may have secrets.
func keptText(name string, text []byte) generations.File {
	return generations.File{Name: name, Perm: 0o600, Write: func(w io.Writer) error { _, err := w.Write(text); return err }}
}

// readBefore returns the text from before the one that serves.
func (k keptConfig) readBefore() ([]byte, error) {
	text, err := os.ReadFile(k.Path(beforeName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no configuration to go back to: none has served before this one")
	}
	return text, err
}

// atStart adds to the error of a configuration with which the server can't start where the one is that served last, if that was
// another and its store can be found.
func (r *runFlags) atStart(cmd *cobra.Command, err error) error {
	if !errors.As(err, new(*faultsError)) {
		return err
	}
	file := cmp.Or(r.file, defaultConfig)
	store, _ := cmd.Flags().GetString("store")
	plugins, _ := cmd.Flags().GetString("plugins")
	c, none := located(file, store, plugins)
	if none != nil {
		return err
	}
	kept := readKeptConfig(c.Store).served()
	if _, none := os.Stat(kept); none != nil {
		return err
	}
	return usageError{fmt.Errorf("%w\nthe server doesn't start. The configuration that it served last is kept: `diff %s %s` shows what has changed since, "+
		"and a copy of the first in place of the second goes back to it", err, kept, file)}
}
