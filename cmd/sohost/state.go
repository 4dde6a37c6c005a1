package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/state"
	"github.com/spf13/cobra"
)

func newStateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Read the state of plugins on disk",
		Long: `State reads checkpoints, and states that are kept for a rollback. Their files carry the names and types of all fields, so the
plugin isn't needed, and a server neither: it reads a state that new code refuses, too.`,
		Example: `  sohost state show counter
  sohost state export counter > counter.json`,
	}
	cmd.AddCommand(newStateShowCommand(), newStateExportCommand())
	return cmd
}

// stateFile is a state on disk.
type stateFile struct {
	Plugin  string    `json:"plugin,omitempty"` // "" if a file was named
	File    string    `json:"file"`
	Written time.Time `json:"written"`
	Bytes   int64     `json:"bytes"`
	Schema  string    `json:"schema"`
	Version int       `json:"version"`
	Type    string    `json:"type"`

	last *sohost.Move // what the running server says about the plugin's last reload; nil if none does
	kept []checkpoint.Kept
	tree *state.Tree
}

// stateReader adds the flags that say where states are to a command, and returns the function that reads one.
func stateReader(cmd *cobra.Command) func(what string) (*stateFile, error) {
	store := cmd.Flags().String("store", "", "read the store in this `directory` (default: the running server's, or where the configuration puts it)")
	server := connect(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	return func(what string) (*stateFile, error) {
		f := &stateFile{File: what}
		if info, err := os.Stat(what); err != nil || info.IsDir() {
			if strings.ContainsRune(what, filepath.Separator) || !generations.ValidName(what) {
				return nil, fmt.Errorf("%s is neither a file nor the name of a plugin", what)
			}
			if err := f.find(cmd, *store, what, server); err != nil {
				return nil, err
			}
		}
		return f, f.read()
	}
}

// find finds the newest state of a plugin.
func (f *stateFile) find(cmd *cobra.Command, store, plugin string, server clientFunc) error {
	f.Plugin = plugin
	if store == "" {
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second) // the server is asked only for what is nice to have
		defer cancel()
		if client, err := server(); err == nil {
			if s, err := client.Brief(ctx); err == nil {
				store = s.Store
				for _, p := range s.Plugins {
					if p.Name == plugin {
						f.last = p.Last
					}
				}
			}
		}
	}
	if store == "" {
		c, err := serverConfig(cmd)
		if err != nil {
			return err
		}
		store = c.Store
	}
	dir := checkpoint.New(generations.ReadFolder(filepath.Join(store, "state")), slog.New(slog.DiscardHandler))
	kept, err := dir.Kept(plugin)
	if err != nil {
		return err
	}
	f.kept, f.File = kept, dir.File(plugin)
	if f.File == "" && len(kept) > 0 {
		f.File = kept[0].File
	}
	if f.File == "" {
		return fmt.Errorf("plugin %s has no state in the store %s: `sohost status --json` says why it has no checkpoint", plugin, store)
	}
	return nil
}

// maxTree is the memory that reading a state may take for each byte of its file. A state that needs more was not written by a server.
const maxTree = 128

func (f *stateFile) read() error {
	info, err := os.Stat(f.File)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return fmt.Errorf("%s is no regular file; copy what it gives to one", f.File)
	}
	file, err := os.Open(f.File)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, 16)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if what := foreign(head[:n]); what != "" {
		return fmt.Errorf("%s is %s, and no state of a plugin; those are in a store's folder state", f.File, what)
	}
	f.Written, f.Bytes = info.ModTime(), info.Size()
	// The length isn't limited, or a file that was cut off would be one that is too large.
	o := state.DecodeOptions{MaxMemory: 1<<20 + maxTree*info.Size()}
	stream, _, err := checkpoint.Split(file, info.Size())
	if err == nil {
		f.tree, err = state.ReadTree(stream, o)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.File, err)
	}
	f.Schema, f.Version, f.Type = f.tree.Schema, f.tree.Version, f.tree.Type
	return nil
}

// stateMark is how every state begins: the tag by which CBOR describes itself.
var stateMark = []byte{0xd9, 0xd9, 0xf7}

// foreign says in words what a file is that begins otherwise than a state. It returns "" for a state, even if only its beginning is
// left.
func foreign(head []byte) string {
	switch {
	case bytes.HasPrefix(head, stateMark), bytes.HasPrefix(stateMark, head):
		return ""
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "a program or a shared library"
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")), bytes.HasPrefix(bytes.TrimSpace(head), []byte("[")):
		return "JSON, such as what `sohost state export` writes"
	case utf8.Valid(head) && !bytes.ContainsRune(head, 0):
		return "a text"
	}
	return "something else"
}
