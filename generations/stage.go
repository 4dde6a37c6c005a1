package generations

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/google/renameio/v2"
)

// A File is one that is to be staged.
type File struct {
	Name  string
	Perm  fs.FileMode
	Write func(io.Writer) error
}

// Staged are files that are written and on disk, but for their names. Commit gives them these, and needs no room for that: whoever has
// to do something else in between can refuse it while nothing has changed. Commit or Drop is to be called. Those of nil do nothing.
type Staged struct {
	folder *Folder
	tmp    string
	files  []*renameio.PendingFile
}

// Stage writes files beside those of the folder, which it makes. On error nothing has changed, and nothing is left.
func (f *Folder) Stage(files ...File) (_ *Staged, err error) {
	if len(files) == 0 {
		return nil, nil
	}
	if err := f.make(); err != nil {
		return nil, err
	}
	s := &Staged{folder: f}
	// Of a process that dies meanwhile Sweep removes it.
	if s.tmp, err = f.disk.mkdirTemp(f.path, tempPattern("staged")); err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := s.write(file); err != nil {
			return nil, errors.Join(fmt.Errorf("write %s: %w", f.Path(file.Name), err), s.Drop())
		}
	}
	return s, nil
}

func (s *Staged) write(file File) error {
	d := s.folder.disk
	f, err := d.pending(s.folder.Path(file.Name), s.tmp, file.Perm)
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	if err := file.Write(writerFunc(func(p []byte) (int, error) { return d.write(f.File, p) })); err != nil {
		return err
	}
	// Now: a file system may find only here that it has no room.
	return d.sync(f.File)
}

// Commit puts the files in their places, in their order, durably. On error those before the one that it names may be in theirs, and the
// others are dropped.
func (s *Staged) Commit() error {
	if s == nil {
		return nil
	}
	defer s.Drop() // Sweep removes what stays
	if err := s.folder.writable(); err != nil {
		return err
	}
	for len(s.files) > 0 {
		if err := s.folder.disk.replace(s.files[0]); err != nil {
			return fmt.Errorf("put %s in its place: %w", s.files[0].Name(), err)
		}
		s.files = s.files[1:]
	}
	return s.folder.disk.syncDir(s.folder.path)
}

// Drop removes what was written and isn't in its place.
func (s *Staged) Drop() error {
	if s == nil {
		return nil
	}
	for _, f := range s.files {
		f.Close() // what it held goes with the folder
	}
	s.files = nil
	return s.folder.disk.removeAll(s.tmp)
}
