package generations

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Add copies the file at path into the store and gives the image that it is. Bytes are hashed as they are copied: what was
// hashed is what is stored. It blocks until the image is durable, which takes as long as writing it to the disk does, and
// never on a path that isn't a regular file.
//
// An image that the store has already is read again and re-used if it is whole; a damaged one is replaced, so that Add
// always returns an image whose bytes have its hash.
//
// The error matches ErrNotRegular, ErrTooLarge, fs.ErrNotExist when there is no file or it vanished meanwhile, or ErrChanged
// when it was written or replaced meanwhile; the caller then waits for quiet and tries again. A write that falls into the
// same tick of the filesystem's clock as the one before and keeps the size can go unseen; the writer's close comes later and
// is the watcher's to see. After an error the store has what it had before; an image that didn't become durable may be in
// place, and is made durable by the next Add of the same bytes.
func (s *Store) Add(ctx context.Context, path string) (Object, error) {
	return s.AddHeld(ctx, path, func(ID) {})
}

// AddHeld is Add for an image that no release names yet. As soon as the image's id is known, and before it looks whether the store
// has the image, it calls hold with the store locked: from then on PruneOptions must report the image as in use. hold must not
// call the store. It may have been called when AddHeld returns an error.
func (s *Store) AddHeld(ctx context.Context, path string, hold func(ID)) (Object, error) {
	if err := s.writable(); err != nil {
		return Object{}, fmt.Errorf("add %s: %w", path, err)
	}
	src, before, err := s.openSource(path)
	if err != nil {
		return Object{}, err
	}
	defer src.Close() // only read

	tmp, err := s.disk.createTemp(s.objects(), tempPattern("image"))
	if err != nil {
		return Object{}, fmt.Errorf("add %s: %w", path, err)
	}
	defer tmp.Close()
	keep := false
	defer func() {
		if !keep {
			s.disk.remove(tmp.Name()) // fails only where the next OpenStore cleans up
		}
	}()

	id, err := s.copyHashed(ctx, tmp, src, path, before.Size())
	if err != nil {
		return Object{}, err
	}
	if err := s.unchanged(src, path, before); err != nil {
		return Object{}, err
	}
	s.mu.Lock() // no Prune is under way that has asked about the image before
	hold(id)
	s.mu.Unlock()
	o := Object{ID: id, Size: before.Size(), Path: s.objectPath(id)}
	if o.Existed = s.reusable(ctx, o); !o.Existed {
		// Not writable even for the owner: an image that is written to while mapped kills the process.
		if err := s.disk.chmod(tmp, 0o555); err != nil {
			return Object{}, fmt.Errorf("add %s: %w", path, err)
		}
		// Before the rename: else the name could be durable and the bytes not.
		if err := s.disk.sync(tmp); err != nil {
			return Object{}, fmt.Errorf("add %s: %w", path, err)
		}
		// Some filesystems tell only now that the bytes didn't fit.
		if err := s.disk.close(tmp); err != nil {
			return Object{}, fmt.Errorf("add %s: %w", path, err)
		}
	}
	keep, err = s.install(tmp.Name(), o)
	if err != nil {
		return Object{}, fmt.Errorf("add %s: %w", path, err)
	}
	return o, nil
}

// openSource opens the file to copy, and tells what it is.
func (s *Store) openSource(path string) (*os.File, fs.FileInfo, error) {
	// Asked before it is opened, because opening a device can do something.
	fi, err := s.disk.stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("add: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, &NotRegularError{Path: path, Mode: fi.Mode()}
	}
	// It may have been replaced by a FIFO since: O_NONBLOCK keeps open from waiting for its writer.
	src, err := s.disk.open(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("add: %w", err)
	}
	fi, err = s.disk.fstat(src)
	switch {
	case err != nil:
		err = fmt.Errorf("add: %w", err)
	case !fi.Mode().IsRegular():
		err = &NotRegularError{Path: path, Mode: fi.Mode()}
	case fi.Size() > s.opts.MaxObject:
		err = &TooLargeError{Path: path, Size: fi.Size(), Limit: s.opts.MaxObject}
	default:
		return src, fi, nil
	}
	src.Close()
	return nil, nil, err
}

// copyHashed fills dst with the bytes of src and gives their hash.
func (s *Store) copyHashed(ctx context.Context, dst, src *os.File, path string, size int64) (ID, error) {
	from, to := src, dst
	if s.disk.clone(dst, src) == nil {
		// The clone shares its blocks with the source and costs neither room nor a copy. It is the clone that is hashed:
		// the source may have changed since.
		from, to = dst, nil
	}
	// Whatever kept it from being cloned, copying says it better or doesn't mind.
	sum := sha256.New()
	n, err := s.pump(ctx, to, from, sum, size)
	if err != nil {
		return ID{}, fmt.Errorf("add %s: %w", path, err)
	}
	if n != size {
		return ID{}, &ChangedError{Path: path, How: fmt.Sprintf("its size was %d bytes, then %s", size, orMore(n, size))}
	}
	return ID(sum.Sum(nil)), nil
}

// orMore tells the size that was read; reading stops one byte after the size that was expected.
func orMore(n, size int64) string {
	if n > size {
		return "more"
	}
	return fmt.Sprint(n)
}

// unchanged compares the file and its path with what they were before the copy.
func (s *Store) unchanged(src *os.File, path string, before fs.FileInfo) error {
	// The path first: whatever happened to a file that is gone, that it is gone is what the caller has to know. A file
	// renamed over the path leaves ours whole, but it isn't what the caller wants any more.
	there, err := s.disk.stat(path)
	if err != nil {
		return fmt.Errorf("add: %w", err)
	}
	if !os.SameFile(before, there) {
		return &ChangedError{Path: path, How: "another file took its place"}
	}
	after, err := s.disk.fstat(src)
	if err != nil {
		return fmt.Errorf("add: %w", err)
	}
	if how := difference(before, after); how != "" {
		return &ChangedError{Path: path, How: how}
	}
	return nil
}

// difference tells how a file changed, or nothing. The change time is compared too, since tools that preserve the
// modification time set it back when they have written.
func difference(before, after fs.FileInfo) string {
	switch {
	case before.Size() != after.Size():
		return fmt.Sprintf("its size was %d bytes, then %d", before.Size(), after.Size())
	case !before.ModTime().Equal(after.ModTime()):
		return "it was written to"
	case changeTime(before) != changeTime(after):
		return "its attributes were set"
	}
	return ""
}

func changeTime(fi fs.FileInfo) syscall.Timespec {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ctim
	}
	return syscall.Timespec{}
}

// reusable tells whether the store has the object already, whole. Its bytes are read: an object that lost some to a disk
// or an operator must not be opened because its name is right.
func (s *Store) reusable(ctx context.Context, o Object) bool {
	have, err := s.Object(o.ID)
	if err != nil || have.Size != o.Size {
		return false
	}
	err = s.Verify(ctx, o.ID)
	if errors.Is(err, ErrDamaged) {
		s.opts.Log.Warn("a damaged image is replaced", "err", err)
	}
	return err == nil
}

// install gives the copied image its name, unless it has existed, and makes that durable. It tells whether the temporary
// name is gone.
func (s *Store) install(tmp string, o Object) (renamed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	if o.Existed {
		// Prune may have removed it since it was read.
		if _, err := s.Object(o.ID); err != nil {
			return false, err
		}
	} else {
		if err := s.disk.rename(tmp, o.Path); err != nil {
			return false, err
		}
		renamed = true
	}
	// Also for an object that existed: the process that put it there may have died before it came this far.
	return renamed, s.disk.syncDir(filepath.Dir(o.Path))
}
