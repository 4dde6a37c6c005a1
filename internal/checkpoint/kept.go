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
	Time    time.Time      // when it was written
	Size    int64
	File    string
}

// keptMark stands in a file's name between the checkpoint's name, and release and image.
const keptMark = ".kept-"

func keptName(plugin string, release int, image generations.ID) string {
	return fmt.Sprintf("%s%s%06d-%s", last(plugin), keptMark, release, image)
}

// Keep writes a state that a rollback of the release can bring back, with the contents that write writes. It blocks
// until everything is durable. After an error the other files are as they were.
func (d *Dir) Keep(plugin string, release int, image generations.ID, write func(io.Writer) error) (Kept, error) {
	name := keptName(plugin, release, image)
	if err := d.folder.WriteFile(name, 0o600, write); err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	return d.keptAt(name, release, image)
}

// KeepLast keeps the plugin's last checkpoint, of code that isn't known, for a rollback of the release. It costs no copy.
func (d *Dir) KeepLast(plugin string, release int) (Kept, error) {
	last := last(plugin)
	if _, err := os.Stat(d.folder.Path(last)); err != nil {
		last = before(last)
	}
	name := keptName(plugin, release, generations.ID{})
	if err := d.folder.Link(last, name); err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	return d.keptAt(name, release, generations.ID{})
}

func (d *Dir) keptAt(name string, release int, image generations.ID) (Kept, error) {
	file := d.folder.Path(name)
	info, err := os.Stat(file)
	if err != nil {
		return Kept{}, fmt.Errorf("keep state: %w", err)
	}
	return Kept{Release: release, Image: image, Time: info.ModTime(), Size: info.Size(), File: file}, nil
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
		release, id, ok := parseKept(plugin, e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		k, err := d.keptAt(e.Name(), release, id)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortStableFunc(all, func(a, b Kept) int { return b.Time.Compare(a.Time) })
	return all, nil
}

// parseKept returns what the name of a file says, if it is one that keptName makes.
func parseKept(plugin, name string) (release int, image generations.ID, ok bool) {
	rest, found := strings.CutPrefix(name, last(plugin)+keptMark)
	number, id, _ := strings.Cut(rest, "-")
	release, err := strconv.Atoi(number)
	image, idErr := generations.ParseID(id)
	return release, image, found && err == nil && idErr == nil && keptName(plugin, release, image) == name
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
	_, found, err := read(k.File, accept)
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
