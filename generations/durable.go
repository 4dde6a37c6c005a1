package generations

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WriteFile writes the file at path completely or not at all. Other processes, and anyone after a power failure, find
// either the old file or everything that write wrote. It blocks until the bytes and the name are on disk.
//
// On error the file at path is unchanged, with one exception: if only the last steps fail, the removal of the temporary
// folder or the fsync of the directory, the new file is in place but a power failure may bring the old one back.
//
// The file is written in a folder beside path, .NAME.sohost-tmp-DIGITS, where NAME is the last element of path. If the
// process dies meanwhile, that folder stays.
func WriteFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return realDisk().writeFile(path, perm, write)
}

func (d *disk) writeFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	if err := d.replaceFile(path, perm, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	// The rename is recorded in the directory, which needs its own fsync.
	return d.syncDir(filepath.Dir(path))
}

// replaceFile does all of writeFile but the fsync of the directory.
func (d *disk) replaceFile(path string, perm fs.FileMode, write func(io.Writer) error) (err error) {
	// renameio chooses the name of its temporary file, so a folder of ours is around it, which OpenStore recognises. The
	// folder is in the same directory as path, because a rename is atomic only within one filesystem.
	dir, name := filepath.Split(path)
	tmp, err := d.mkdirTemp(filepath.Clean(dir), tempPattern(name))
	if err != nil {
		return err
	}
	defer func() {
		// Returned even if the file is in place: the directory may be a release, where OpenStore doesn't clean up.
		if removeErr := d.removeAll(tmp); err == nil {
			err = removeErr
		}
	}()
	f, err := d.pending(path, tmp, perm)
	if err != nil {
		return err
	}
	defer f.Close() // replace has closed it, unless something failed
	if err := write(writerFunc(func(p []byte) (int, error) { return d.write(f.File, p) })); err != nil {
		return err
	}
	// It fsyncs before it renames: otherwise the name could reach the disk before the bytes, as an empty file.
	return d.replace(f)
}

// writeSymlink makes the symlink at path point to target, replacing an earlier one atomically. On error path is
// unchanged, or points to target without that being durable.
func (d *disk) writeSymlink(target, path string) error {
	dir, name := filepath.Split(path)
	tmp := filepath.Join(dir, tempName(name))
	// An earlier attempt may have left it.
	if err := d.remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.symlink(target, tmp); err != nil {
		return err
	}
	if err := d.rename(tmp, path); err != nil {
		d.remove(tmp) // if this fails, the next attempt or OpenStore cleans up
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// syncDir makes the entries of a directory durable: files created in it, renamed into it and removed from it.
func (d *disk) syncDir(dir string) error {
	f, err := d.open(dir, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer f.Close()
	if err := d.sync(f); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// mkdirs makes dir and its missing parents, each durably.
func (d *disk) mkdirs(dir string) error {
	err := d.mkdir(dir, folderMode)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := d.mkdirs(filepath.Dir(dir)); err != nil {
			return err
		}
		err = d.mkdir(dir, folderMode)
	}
	if errors.Is(err, fs.ErrExist) {
		fi, statErr := d.stat(dir)
		if statErr != nil {
			return statErr
		}
		if !fi.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: unix.ENOTDIR}
		}
		return nil
	}
	if err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
