// Package checkpoint keeps the checkpoints of plugins in a directory. Each plugin has up to three kinds of files:
// PLUGIN.cbor, its last checkpoint; PLUGIN.cbor.1, the one before; and PLUGIN.cbor.vVERSION, the last one of each other
// version of its state.
//
// Restore never deletes or overwrites a checkpoint that it can't read, but renames it, with the time in the new name.
// Once a plugin has a checkpoint, one of the last two is whole at any moment, whatever ends the process.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/regular"
	"github.com/sohost/sohost/internal/state"
)

// Dir is a directory of checkpoints. Names of plugins must be valid, see generations.ValidName. Calls for the same
// plugin must not overlap.
type Dir struct {
	folder *generations.Folder
	log    *slog.Logger
}

// New returns the checkpoints in a folder. The first Write creates it.
func New(folder *generations.Folder, log *slog.Logger) *Dir { return &Dir{folder, log} }

// What follows are names of files in the folder.

func last(plugin string) string { return plugin + ".cbor" }

func before(last string) string { return last + ".1" }

func ofVersion(last string, version int) string { return fmt.Sprintf("%s.v%d", last, version) }

// Write writes a new last checkpoint of the plugin, with the contents that write writes and the positions; the last one becomes
// the one before. s gives the schema and version of the new one. If the last checkpoint has another version, it is also kept as
// that version's, for code that goes back. If verify isn't nil, it reads the new checkpoint while that is written, and its
// error is Write's. Write blocks until everything is durable. After an error the checkpoints that there were are still
// there.
func (d *Dir) Write(plugin string, s abi.State, at Positions, write func(io.Writer) error, verify func(io.Reader) error) (w Written, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write checkpoint: %w", err)
		}
	}()
	last := last(plugin)
	newest := last
	had, found, err := d.readHeader(newest)
	if !found { // a process may have died further down, between the rename and the write
		newest = before(last)
		had, found, err = d.readHeader(newest)
	}
	if found && err == nil && had.Schema == s.Schema && had.Version != s.Version {
		if err := d.folder.Link(newest, ofVersion(last, had.Version)); err != nil {
			return w, err
		}
	}
	err = d.folder.WriteFile(last, 0o600, func(f io.Writer) error {
		counted := &counter{Writer: f}
		if err := verified(counted, write, verify); err != nil {
			return err
		}
		if err := at.write(counted); err != nil {
			return err
		}
		w = Written{counted.n, verify != nil}
		// Only now, so that the last one stays the last if the new one can't be written.
		if err := d.folder.Rename(last, before(last)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return w, err
}

// Written describes a checkpoint that was written.
type Written struct {
	Bytes    int64
	Verified bool // it was read while it was written
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// counter counts the bytes that are written.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// verified lets write write to w, and verify read the same.
func verified(w io.Writer, write func(io.Writer) error, verify func(io.Reader) error) error {
	if verify == nil {
		return write(w)
	}
	r, pipe := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := verify(r)
		r.CloseWithError(err) // or write would wait for its reader
		read <- err
	}()
	refused := false // the reader has stopped: its error is the reason, and not write's
	err := write(writerFunc(func(p []byte) (int, error) {
		n, err := w.Write(p)
		if err == nil {
			_, err = pipe.Write(p)
			refused = err != nil
		}
		return n, err
	}))
	pipe.CloseWithError(err)
	if unreadable := <-read; unreadable != nil && (err == nil || refused) {
		return fmt.Errorf("it could not be read again: %w", unreadable)
	}
	return err
}

// readHeader returns the schema and version of a checkpoint if the file exists.
func (d *Dir) readHeader(name string) (s abi.State, found bool, err error) {
	_, _, found, err = read(d.folder.Path(name), func(r io.Reader) (err error) {
		s, err = state.ReadHeader(r)
		return err
	})
	return s, found, err
}

// Restored describes the checkpoint that was restored.
type Restored struct {
	From  From
	Time  time.Time // when it was written
	Bytes int64
	At    Positions // up to where writes are in it

	// Lost says which checkpoints were set aside, if there were checkpoints and none could be read.
	Lost string
}

// From is which of a plugin's checkpoints was restored.
type From int

const (
	None          From = iota // none: there is none that can be used
	Last                      // the last one
	Before                    // the one before the last, which is corrupt
	BeforeVersion             // the last one of the wanted version; newer ones have another, and weren't accepted
)

// Restore passes checkpoints to accept, newest first, until one is accepted. wants gives the schema and version of the
// state that accept takes.
//
// If accept's error is state.ErrCorrupt, the checkpoint is set aside, under a name with the time now, and the one
// before is tried. After any other error the checkpoint is whole and stays. Then only the last checkpoint of the wanted
// version is tried, because going back to the one before would lose what is newer. If there is none or it isn't
// accepted either, Restore returns the error.
//
// If there is no checkpoint, or none that is whole, Restored.From is None and the error is nil.
func (d *Dir) Restore(plugin string, wants abi.State, now time.Time, accept func(io.Reader) error) (Restored, error) {
	last := last(plugin)
	var aside []string
	for _, c := range []struct {
		file string
		from From
	}{{last, Last}, {before(last), Before}} {
		info, at, found, err := read(d.folder.Path(c.file), accept)
		switch {
		case !found && err == nil:
		case err == nil:
			return Restored{From: c.from, Time: info.ModTime(), Bytes: info.Size(), At: at}, nil
		case errors.Is(err, state.ErrCorrupt):
			name, err := d.setAside(plugin, c.file, now, err)
			if err != nil {
				return Restored{}, err
			}
			aside = append(aside, name)
		default:
			return d.restoreVersion(plugin, c.file, wants, accept, err)
		}
	}
	if len(aside) > 0 {
		return Restored{Lost: "no checkpoint could be read, so the plugin began without state; kept as " + strings.Join(aside, " and ")}, nil
	}
	return Restored{}, nil
}

// restoreVersion restores the last checkpoint of the wanted version after a newer one of another version was refused.
func (d *Dir) restoreVersion(plugin, other string, wants abi.State, accept func(io.Reader) error, refused error) (Restored, error) {
	had, _, err := d.readHeader(other)
	if err == nil && had.Schema == wants.Schema && had.Version != wants.Version {
		last := last(plugin)
		if info, at, found, err := read(d.folder.Path(ofVersion(last, wants.Version)), accept); found && err == nil {
			kept := ofVersion(last, had.Version)
			if err := d.folder.Link(other, kept); err != nil {
				kept = other // the next Write tries again
			}
			d.log.Error("restored the last checkpoint of this version; the newer one, which this generation can't take, is kept",
				"plugin", plugin, "version", wants.Version, "age", time.Since(info.ModTime()), "kept", d.folder.Path(kept), "err", refused)
			return Restored{From: BeforeVersion, Time: info.ModTime(), Bytes: info.Size(), At: at}, nil
		}
	}
	remedy := "deploy an image that takes this state"
	if errors.Is(refused, fs.ErrPermission) {
		remedy = "a server of another user has written it: give it to this server's user (chown)"
	}
	return Restored{}, fmt.Errorf("restore %s: %w; %s, or move the file away to begin with none", d.folder.Path(other), refused, remedy)
}

// setAside renames a checkpoint that can't be read, and returns its new name.
func (d *Dir) setAside(plugin, file string, now time.Time, why error) (string, error) {
	aside := file + ".corrupt-" + now.UTC().Format("20060102T150405")
	if err := d.folder.Rename(file, aside); err != nil {
		return "", fmt.Errorf("set a corrupt checkpoint aside: %w", err)
	}
	aside = d.folder.Path(aside)
	d.log.Error("checkpoint is corrupt and was set aside", "plugin", plugin, "file", aside, "err", why)
	return aside, nil
}

// read passes the state of a checkpoint to accept if the file exists. info is nil after an error that isn't accept's.
func read(file string, accept func(io.Reader) error) (info fs.FileInfo, at Positions, found bool, err error) {
	f, err := regular.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, false, nil
	}
	if errors.Is(err, regular.ErrNot) {
		err = fmt.Errorf("%w: %w", state.ErrCorrupt, err)
	}
	if err != nil {
		return nil, nil, true, err
	}
	defer f.Close()
	info, err = f.Stat()
	if err != nil {
		return nil, nil, true, err
	}
	stream, at, err := Split(f, info.Size())
	if err != nil {
		return nil, nil, true, err
	}
	return info, at, true, accept(stream)
}
