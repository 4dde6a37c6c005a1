package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
)

// Kept is a state from before a release that lost something of it, or may have. It is a file of its own beside the
// checkpoints, so that those of the new code don't replace it.
type Kept struct {
	Release int            // the release that lost it: once that is confirmed, nobody goes back
	Image   generations.ID // the code whose state it is; zero if that isn't known
	Unsure  bool           // nothing is known to be lost: an Import may have left something out
	Time    time.Time      // when it was written
	Size    int64
	File    string
}

const (
	// keptMark stands in a file's name between the checkpoint's name, and release and image.
	keptMark = ".kept-"

	// unsureMark ends the file's name of a state of which nothing is known to be lost.
	unsureMark = "-unsure"
)

// name returns the name of the file.
func (k Kept) name(plugin string) string {
	name := fmt.Sprintf("%s%s%06d-%s", last(plugin), keptMark, k.Release, k.Image)
	if k.Unsure {
		name += unsureMark
	}
	return name
}

// Keep writes a state that a rollback of k.Release can bring back, with the contents that write writes. It returns k as it is on disk. It
// blocks until everything is durable. After an error the other files are as they were.
func (d *Dir) Keep(plugin string, k Kept, write func(io.Writer) error) (Kept, error) {
	if err := d.folder.WriteFile(k.name(plugin), 0o600, write); err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	return d.found(plugin, k)
}

// KeepLast keeps the plugin's last checkpoint, of code that isn't known, for a rollback of the release. It costs no copy.
func (d *Dir) KeepLast(plugin string, release int) (Kept, error) {
	last := last(plugin)
	if _, err := os.Stat(d.folder.Path(last)); err != nil {
		last = before(last)
	}
	k := Kept{Release: release}
	if err := d.folder.Link(last, k.name(plugin)); err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	return d.found(plugin, k)
}

// found adds what the file's system knows of it.
func (d *Dir) found(plugin string, k Kept) (Kept, error) {
	k.File = d.folder.Path(k.name(plugin))
	info, err := os.Stat(k.File)
	if err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	k.Time, k.Size = info.ModTime(), info.Size()
	return k, nil
}

// Kept returns the plugin's states that are kept for a rollback, the newest first. Files with other names are left alone.
func (d *Dir) Kept(plugin string) ([]Kept, error) {
	entries, err := os.ReadDir(d.folder.Path(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find kept states: %w", err)
	}
	var all []Kept
	for _, e := range entries {
		k, ok := parseKept(plugin, e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		k, err := d.found(plugin, k)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortStableFunc(all, func(a, b Kept) int { return b.Time.Compare(a.Time) })
	return all, nil
}

// parseKept returns what the name of a file says, if it is one that Kept.name makes.
func parseKept(plugin, name string) (k Kept, ok bool) {
	rest, found := strings.CutPrefix(name, last(plugin)+keptMark)
	rest, k.Unsure = strings.CutSuffix(rest, unsureMark)
	number, id, _ := strings.Cut(rest, "-")
	var err, idErr error
	k.Release, err = strconv.Atoi(number)
	k.Image, idErr = generations.ParseID(id)
	return k, found && err == nil && idErr == nil && k.name(plugin) == name
}

// Forget removes a kept state. That its file is gone already is no error.
func (d *Dir) Forget(k Kept) error {
	if err := d.folder.Remove(filepath.Base(k.File)); err != nil {
		return fmt.Errorf("forget kept state: %w", err)
	}
	return nil
}

// Promote makes a kept state the plugin's last checkpoint, in place of an older one, which becomes the one before.
func (d *Dir) Promote(plugin string, k Kept) error {
	last := last(plugin)
	if err := d.folder.Rename(last, before(last)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("promote kept state: %w", err)
	}
	if err := d.folder.Rename(filepath.Base(k.File), last); err != nil {
		return fmt.Errorf("promote kept state: %w", err)
	}
	return nil
}

// Read passes a kept state to accept.
func (k Kept) Read(accept func(io.Reader) error) error {
	_, _, found, err := read(k.File, accept)
	if err == nil && !found {
		err = fmt.Errorf("read %s: %w", k.File, fs.ErrNotExist)
	}
	return err
}

// Written returns when the plugin's newest checkpoint was written, or the zero time if there is none.
func (d *Dir) Written(plugin string) time.Time {
	if info, err := os.Stat(d.File(plugin)); err == nil {
		return info.ModTime()
	}
	return time.Time{}
}

// File returns the path of the plugin's newest checkpoint, or "" if there is none.
func (d *Dir) File(plugin string) string {
	for _, name := range []string{last(plugin), before(last(plugin))} {
		file := d.folder.Path(name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}
