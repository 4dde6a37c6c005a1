package generations

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes the file at path completely or not at all. Other processes, and anyone after a power failure, find
// either the old file or everything that write wrote. It blocks until the bytes and the name are on disk.
//
// On error the file at path is unchanged, with one exception: if the last step fails, the fsync of the directory, the new
// file is in place but a power failure may bring the old one back.
//
// The file is written beside path under the name .NAME.sohost-tmp-DIGITS, where NAME is the last element of path. If the
// process dies meanwhile, that file stays.
func WriteFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return realDisk().writeFile(path, perm, write)
}

func (d *disk) writeFile(path string, perm fs.FileMode, write func(io.Writer) error) error {
	// In the same directory, because a rename is atomic only within one filesystem.
	dir, name := filepath.Split(path)
	f, err := d.createTemp(filepath.Clean(dir), tempPattern(name))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = d.fill(f, perm, write)
	if err == nil {
		err = d.rename(f.Name(), path)
	}
	if err != nil {
		f.Close()
		d.remove(f.Name()) // if this fails, the next OpenStore cleans up
		return fmt.Errorf("write %s: %w", path, err)
	}
	// The rename is recorded in the directory, which needs its own fsync.
	return d.syncDir(filepath.Dir(path))
}

// fill gives f its mode and its content, makes both durable, and closes it.
func (d *disk) fill(f *os.File, perm fs.FileMode, write func(io.Writer) error) error {
	if err := d.chmod(f, perm); err != nil {
		return err
	}
	if err := write(writerFunc(func(p []byte) (int, error) { return d.write(f, p) })); err != nil {
		return err
	}
	// Before the rename: otherwise the name could reach the disk before the bytes, as an empty file.
	if err := d.sync(f); err != nil {
		return err
	}
	// Some filesystems report only now that the bytes did not fit.
	return d.close(f)
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

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
