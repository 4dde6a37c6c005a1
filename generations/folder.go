package generations

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Folder is a folder in a store's directory whose files somebody else than the Store writes. All changes go through it, because none
// may be made while the store's lock is lost: another server may have the store. Names are those of files in the folder.
type Folder struct {
	path     string
	writable func() error
	disk     *disk
}

// Folder returns a folder of the store. It need not exist.
func (s *Store) Folder(name string) *Folder {
	return &Folder{filepath.Join(s.dir, name), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.unwritableLocked()
	}, s.disk}
}

// Folder returns a folder of the store in dir, for who has its lock and no Store.
func (l *Lock) Folder(dir, name string) *Folder {
	return &Folder{filepath.Join(dir, name), func() error { return l.Verify(dir) }, realDisk()}
}

// ReadFolder returns a folder in which nothing can be changed: that gives ErrReadOnly.
func ReadFolder(path string) *Folder {
	return &Folder{path, func() error { return ErrReadOnly }, realDisk()}
}

// Path returns the path of a file, or of the folder itself if name is empty.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// WriteFile writes a file as the function of that name does, and makes the folder. It looks again for the lock before the file is put
// into its place: write may take long.
func (f *Folder) WriteFile(name string, perm fs.FileMode, write func(io.Writer) error) error {
	if err := f.make(); err != nil {
		return err
	}
	return f.disk.writeFile(f.Path(name), perm, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		return f.writable()
	})
}

// Mark writes a small file that need not survive a power failure, and makes the folder.
func (f *Folder) Mark(name, text string) error {
	if err := f.make(); err != nil {
		return err
	}
	return os.WriteFile(f.Path(name), []byte(text), recordMode)
}

func (f *Folder) make() error {
	if err := f.writable(); err != nil {
		return err
	}
	return f.disk.mkdirs(f.path)
}

// Rename renames a file; the new name is replaced.
func (f *Folder) Rename(from, to string) error {
	if err := f.writable(); err != nil {
		return err
	}
	return f.disk.rename(f.Path(from), f.Path(to))
}

// Link gives a file a second name, which is replaced. A link can't replace a file, so it is made under a temporary name and renamed.
func (f *Folder) Link(file, name string) error {
	if err := f.writable(); err != nil {
		return err
	}
	tmp := f.Path(name + ".new")
	os.Remove(tmp) // left by an attempt that was interrupted
	if err := os.Link(f.Path(file), tmp); err != nil {
		return err
	}
	return f.disk.rename(tmp, f.Path(name))
}

// Remove removes a file. That it is gone already is no error.
func (f *Folder) Remove(name string) error {
	if err := f.writable(); err != nil {
		return err
	}
	if err := f.disk.remove(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}
