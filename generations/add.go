package generations

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Add copies the file at path into the store and returns its image. The bytes are hashed as they are copied, so what was
// hashed is what is stored. Add blocks until the image is durable, that is, for as long as writing it to disk takes. It
// never blocks on a path that isn't a regular file.
//
// If the store already has the image, Add reads it and reuses it if it is intact. A damaged one is replaced, so Add always
// returns an image whose bytes have its hash.
//
// The error matches ErrNotRegular, ErrTooLarge, what StoreOptions.Accept has returned, fs.ErrNotExist if there is no file or it vanished meanwhile, or ErrChanged
// if it was written or replaced meanwhile; wait for the file to settle and try again. A write that keeps the size and falls
// into the same tick of the filesystem's clock as the previous one can go unnoticed; a watcher sees the writer close the
// file afterwards. After an error the store is unchanged, except that an image may be in place that isn't durable yet; the
// next Add of the same bytes makes it durable.
func (s *Store) Add(ctx context.Context, path string) (Object, error) {
	return s.AddHeld(ctx, path, func(ID) {})
}

// AddHeld is Add for an image that no release names yet. As soon as the image's id is known, and before it looks whether the store
// has the image, it calls hold with the store locked: from then on PruneOptions must report the image as in use. hold must not
// call the store. It may have been called when AddHeld returns an error.
func (s *Store) AddHeld(ctx context.Context, path string, hold func(ID)) (Object, error) {
	o, settle, err := s.AddSoon(ctx, path, hold)
	if err == nil {
		err = settle()
	}
	if err != nil {
		return Object{}, err
	}
	return o, nil
}

// AddSoon is AddHeld without its last step, which is left to settle: making the image's name durable. The image is in place, and its
// bytes are durable, so that it may be read and opened meanwhile. Until settle has returned nil, no release may name it. settle must be
// called, once; it blocks on the disk. After its error the image is in place, and the next Add of the same bytes makes it durable.
func (s *Store) AddSoon(ctx context.Context, path string, hold func(ID)) (o Object, settle func() error, err error) {
	if o, err = s.place(ctx, path, hold); err != nil {
		return Object{}, nil, err
	}
	return o, func() error {
		// Also for an object that existed: the process that installed it may have died before this step.
		if err := s.disk.syncDir(filepath.Dir(o.Path)); err != nil {
			return fmt.Errorf("add %s: %w", path, err)
		}
		return nil
	}, nil
}

// place puts the image in its place.
func (s *Store) place(ctx context.Context, path string, hold func(ID)) (Object, error) {
	if err := s.writable(); err != nil {
		return Object{}, fmt.Errorf("add %s: %w", path, err)
	}
	src, before, err := s.openSource(path)
	if err != nil {
		return Object{}, err
	}
	defer src.Close()
	if err := s.accept(src, path, before); err != nil {
		return Object{}, err
	}

	tmp, err := s.disk.createTemp(s.objects(), tempPattern("image"))
	if err != nil {
		return Object{}, fmt.Errorf("add %s: %w", path, err)
	}
	defer tmp.Close()
	keep := false
	defer func() {
		if !keep {
			s.disk.remove(tmp.Name()) // if this fails, the next OpenStore cleans up
		}
	}()

	id, err := s.copyHashed(ctx, tmp, src, path, before)
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
		// Read-only even for the owner: writing to an image while it is mapped kills the process. Mapping code needs no right to
		// execute the file.
		if err := s.disk.chmod(tmp, objectMode); err != nil {
			return Object{}, fmt.Errorf("add %s: %w", path, err)
		}
		// Before the rename: otherwise the name could be durable and the bytes not.
		if err := s.disk.sync(tmp); err != nil {
			return Object{}, fmt.Errorf("add %s: %w", path, err)
		}
		// Some filesystems report only now that the bytes did not fit.
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

// openSource opens the file to copy and returns its size, times and mode.
func (s *Store) openSource(path string) (*os.File, fs.FileInfo, error) {
	// Before the open, because opening a device can have effects.
	fi, err := s.disk.stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("add: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, &NotRegularError{Path: path, Mode: fi.Mode()}
	}
	// A FIFO may have replaced it since: O_NONBLOCK keeps open from waiting for a writer.
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

// accept judges a file by its beginning, so that nothing is copied of one that is no image.
func (s *Store) accept(src *os.File, path string, before fs.FileInfo) error {
	head := make([]byte, HeadSize)
	n, err := s.disk.readAt(src, head, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("add %s: %w", path, err)
	}
	if before.Size() == 0 && n > 0 {
		return s.madeUp(src, path, before, "more")
	}
	if err := s.opts.Accept(head[:n]); err != nil {
		return fmt.Errorf("add %s: %w", path, err)
	}
	return nil
}

// madeUp returns the error of a file that has another number of bytes than it says. If it hasn't changed it is one that the kernel
// makes up as it is read, as in /proc and /sys, and never has the size that it says.
func (s *Store) madeUp(src *os.File, path string, before fs.FileInfo, bytes string) error {
	if after, err := s.disk.fstat(src); err == nil && difference(before, after) == "" {
		return &NotRegularError{Path: path, Mode: before.Mode(),
			Found: fmt.Sprintf("one that the kernel makes up: it says that it has %d bytes, and has %s", before.Size(), bytes)}
	}
	return &ChangedError{Path: path, How: fmt.Sprintf("its size was %d bytes, then %s", before.Size(), bytes)}
}

// copyHashed fills dst with the bytes of src and returns their hash.
func (s *Store) copyHashed(ctx context.Context, dst, src *os.File, path string, before fs.FileInfo) (ID, error) {
	from, to := src, dst
	if s.disk.clone(dst, src) == nil {
		// A clone shares its blocks with the source and costs neither space nor a copy. Hash the clone, because the source
		// may have changed since.
		from, to = dst, nil
	}
	// If cloning failed for a real reason, copying fails too, with a better error.
	sum := sha256.New()
	n, err := s.pump(ctx, to, from, sum, before.Size())
	if err != nil {
		return ID{}, fmt.Errorf("add %s: %w", path, err)
	}
	if n != before.Size() {
		return ID{}, s.madeUp(src, path, before, orMore(n, before.Size()))
	}
	return ID(sum.Sum(nil)), nil
}

// orMore describes the size n that was read. Reading stops one byte after the expected size.
func orMore(n, size int64) string {
	if n > size {
		return "more"
	}
	return fmt.Sprint(n)
}

// unchanged returns an error unless the file and its path are what they were before the copy.
func (s *Store) unchanged(src *os.File, path string, before fs.FileInfo) error {
	// The path first: if the file is gone, that is what the caller needs to know, whatever else happened to it. A file
	// renamed over the path leaves ours intact, but ours is no longer the one the caller wants.
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

// difference describes how a file changed, or returns "". It compares the change time too, because tools that preserve
// the modification time set it back after writing.
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

// reusable reports whether the store already has the object, intact. It reads the bytes: an object that a disk or an
// operator has damaged must not be opened just because its name is right.
func (s *Store) reusable(ctx context.Context, o Object) bool {
	have, err := s.Object(o.ID)
	if err != nil || have.Size != o.Size {
		return false
	}
	err = s.Verify(ctx, o.ID)
	if errors.Is(err, ErrDamaged) {
		s.opts.Log.Warn("replacing damaged image", "err", err)
	}
	return err == nil
}

// install gives the copied image its name, unless the image existed already. It reports whether the temporary name is gone.
func (s *Store) install(tmp string, o Object) (renamed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.unwritableLocked(); err != nil {
		return false, err
	}
	if o.Existed {
		// Prune may have removed it after it was read.
		_, err := s.Object(o.ID)
		return false, err
	}
	if err := s.disk.rename(tmp, o.Path); err != nil {
		return false, err
	}
	return true, nil
}
