package generations

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// WriteFile writes the file at path whole or not at all: other processes, and whoever looks after a power failure, find
// either what was there before or all that write wrote. It blocks until the bytes and the name are on disk.
//
// On error path is as it was, with one exception: when the error comes from the last step, the fsync of the directory, the
// new file is in place but a power failure may bring the old one back.
func WriteFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return realDisk().writeFile(path, perm, write)
}

func (d *disk) writeFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	// The temporary file lies beside its target: a rename is atomic only within one filesystem.
	f, err := d.pending(path, perm)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := write(writerFunc(func(p []byte) (int, error) { return d.write(f.File, p) })); err != nil {
		f.Cleanup() // fails only where the next OpenStore cleans up
		return fmt.Errorf("write %s: %w", path, err)
	}
	// Replace fsyncs before it renames: without it the name could reach the disk before the bytes, as an empty file.
	if err := d.replace(f); err != nil {
		f.Cleanup()
		return fmt.Errorf("write %s: %w", path, err)
	}
	// The rename itself is in the directory, which has an fsync of its own.
	return d.syncDir(filepath.Dir(path))
}

// writeSymlink makes the symlink at path point to target, replacing an earlier one atomically. On error path is as it was,
// or points to target without that being durable.
func (d *disk) writeSymlink(target, path string) error {
	if err := d.replaceSymlink(target, path); err != nil {
		// The link may be in place and only the removal of a temporary directory have failed, which the next OpenStore
		// makes good. The link is what counts.
		if now, readErr := d.readlink(path); readErr != nil || now != target {
			return fmt.Errorf("link %s to %s: %w", path, target, err)
		}
	}
	return d.syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable: files created in it, renamed into it and removed from it.
func (d *disk) syncDir(dir string) error {
	f, err := d.open(dir, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer f.Close() // nothing was written to it
	if err := d.sync(f); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// mkdirs makes the directories that are missing, each durably.
func (d *disk) mkdirs(dir string) error {
	err := d.mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := d.mkdirs(filepath.Dir(dir)); err != nil {
			return err
		}
		err = d.mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		fi, statErr := d.stat(dir)
		if statErr != nil {
			return statErr
		}
		if !fi.IsDir() {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

// pending begins a file that will replace path.
func pending(path string, perm fs.FileMode) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(perm))
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
