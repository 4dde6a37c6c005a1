// Package checkpoint keeps the checkpoints of plugins in a directory: for each plugin the last one, PLUGIN.cbor, the one before,
// PLUGIN.cbor.1, and the last one of each other version of its state that there was, PLUGIN.cbor.vVERSION.
//
// It never deletes or overwrites a checkpoint that can't be read: that is set aside under a name that says when. At any moment one of
// the last two is whole, whatever ends the process.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/state"
)

// Dir is a directory of checkpoints. Plugins' names must be valid in the sense of generations.ValidName. Calls for one plugin
// must not overlap.
type Dir struct {
	path string
	log  *slog.Logger
}

// New returns the checkpoints in a directory, which is made with the first one.
func New(path string, log *slog.Logger) *Dir { return &Dir{path, log} }

func (d *Dir) last(plugin string) string { return filepath.Join(d.path, plugin+".cbor") }

func before(last string) string { return last + ".1" }

func ofVersion(last string, version int) string { return fmt.Sprintf("%s.v%d", last, version) }

// Write makes what write writes the plugin's last checkpoint, and the last one the one before. s names the schema and version. If
// the last checkpoint is of another version, it stays beside the two, for code that goes back. Write blocks until all is durable. After
// an error the checkpoints there were are still there.
func (d *Dir) Write(plugin string, s abi.State, write func(io.Writer) error) error {
	last := d.last(plugin)
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	newest := last
	if _, err := os.Lstat(last); errors.Is(err, fs.ErrNotExist) {
		newest = before(last) // a process has died below, between the rename and the write
	}
	if had, err := readHeader(newest); err == nil && had.Schema == s.Schema && had.Version != s.Version {
		if err := stash(newest, ofVersion(last, had.Version)); err != nil {
			return fmt.Errorf("write checkpoint: %w", err)
		}
	}
	if err := os.Rename(last, before(last)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := generations.WriteFile(last, 0o600, write); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// stash gives a checkpoint a second name, under which it stays.
func stash(file, name string) error {
	os.Remove(name + ".new") // of an earlier attempt
	if err := os.Link(file, name+".new"); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// readHeader reads the schema and version of a checkpoint.
func readHeader(file string) (abi.State, error) {
	f, err := os.Open(file)
	if err != nil {
		return abi.State{}, err
	}
	defer f.Close()
	return state.ReadHeader(f)
}

// Restored says which checkpoint was restored.
type Restored struct {
	From From
	Time time.Time // when it was written
}

// From says which one a checkpoint is.
type From int

const (
	None          From = iota // there was none that could be used
	Last                      // the last one
	Before                    // the one before, since the last can't be read
	BeforeVersion             // the last one of the wanted version, since that of another version isn't accepted
)

// Restore passes checkpoints to accept, the newest first, until one is accepted. wants is what accept takes, and now names what is
// set aside. A checkpoint for which accept's error is state.ErrCorrupt is set aside, and the one before is tried. For any other
// error the checkpoint is whole and stays. Then only the last checkpoint of the wanted version is tried, as going back to
// the one before would lose what is newer. If that isn't there, Restore returns the error.
//
// When nothing is there, or nothing whole, Restored.From is None and the error nil.
func (d *Dir) Restore(plugin string, wants abi.State, now time.Time, accept func(io.Reader) error) (Restored, error) {
	last := d.last(plugin)
	for _, c := range []struct {
		file string
		from From
	}{{last, Last}, {before(last), Before}} {
		written, found, err := read(c.file, accept)
		switch {
		case !found && err == nil:
		case err == nil:
			return Restored{c.from, written}, nil
		case errors.Is(err, state.ErrCorrupt):
			if err := d.setAside(plugin, c.file, now, err); err != nil {
				return Restored{}, err
			}
		default:
			return d.restoreVersion(plugin, c.file, wants, accept, err)
		}
	}
	return Restored{}, nil
}

// restoreVersion restores the last checkpoint of the wanted version, because that of another was refused.
func (d *Dir) restoreVersion(plugin, other string, wants abi.State, accept func(io.Reader) error, refused error) (Restored, error) {
	had, err := readHeader(other)
	if err == nil && had.Schema == wants.Schema && had.Version != wants.Version {
		last := d.last(plugin)
		if written, found, err := read(ofVersion(last, wants.Version), accept); found && err == nil {
			kept := ofVersion(last, had.Version)
			if err := stash(other, kept); err != nil {
				kept = other // until the next Write tries that again
			}
			d.log.Error("restored the last checkpoint of this version; the newer one, which this generation can't take, is kept",
				"plugin", plugin, "version", wants.Version, "age", time.Since(written), "kept", kept, "err", refused)
			return Restored{BeforeVersion, written}, nil
		}
	}
	return Restored{}, fmt.Errorf("restore %s: %w; deploy an image that takes this state, or move the file away to begin with none", other, refused)
}

// setAside renames a checkpoint that can't be read.
func (d *Dir) setAside(plugin, file string, now time.Time, why error) error {
	aside := file + ".corrupt-" + now.UTC().Format("20060102T150405")
	d.log.Error("checkpoint is corrupt and was set aside", "plugin", plugin, "file", aside, "err", why)
	return os.Rename(file, aside)
}

// read passes a checkpoint to accept if there is one, and returns when it was written.
func read(file string, accept func(io.Reader) error) (written time.Time, found bool, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, true, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, true, err
	}
	return info.ModTime(), true, accept(f)
}
