package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/buffers"
	"github.com/sohost/sohost/internal/regular"
)

// FileOptions configure a sink that writes line protocol to a file.
type FileOptions struct {
	Path   string
	Rotate int64 // bytes after which the file is renamed to PATH.1, and PATH.1 to PATH.2 and so on. Default: 100 MiB
	Keep   int   // how many renamed files stay. Default: 5
	Logger *slog.Logger
}

// file is a sink that is a file. The workers of a handover may both write to it: each write is a whole number of lines, and files are renamed under a lock.
type file struct {
	account
	opts     FileOptions
	patience time.Duration // lockPatience

	writing chan struct{} // has an element while somebody has what follows
	f       *os.File
	torn    bool     // the file ends within a line
	locking *locking // of f, left by a write that didn't get the lock in time; nil: none
}

// NewFile returns a sink that appends to a file, which it makes if it isn't there.
func NewFile(o FileOptions) (Sink, error) {
	o.Rotate, o.Keep = cmp.Or(o.Rotate, 100<<20), cmp.Or(o.Keep, 5)
	s := &file{opts: o, patience: lockPatience, writing: make(chan struct{}, 1), account: account{log: o.Logger, status: Status{Kind: "file", Target: o.Path}}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return s, nil
}

func (s *file) open() (err error) {
	s.f, err = regular.Append(s.opts.Path, 0o640)
	s.torn = err == nil && torn(s.opts.Path)
	return err
}

// torn reports whether a file ends within a line: the disk was full, for example, when that was written.
func torn(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	last := []byte{'\n'}
	f.ReadAt(last, info.Size()-1)
	return last[0] != '\n'
}

// Write implements Sink: when it returns nil, the rows are written, though perhaps not yet on disk. For a file that others have locked it
// waits until ctx ends, and lockPatience at most.
func (s *file) Write(ctx context.Context, tables []abi.Table) error {
	text := buffers.Get()
	defer buffers.Put(text)
	lines, lacking := write(text, tables)
	s.update(func(st *Status) { st.Lacking += uint64(lacking) })
	if lines == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if err := s.append(ctx, text.Bytes()); err != nil {
		s.failing(err, notTaken)
		return err
	}
	s.update(func(st *Status) { st.Accepted += uint64(lines) })
	s.stored(lines)
	return nil
}

// enter waits until nobody else has the file, or ctx ends. The writes of this process come one after the other.
func (s *file) enter(ctx context.Context) bool {
	select {
	case s.writing <- struct{}{}:
		return true
	default: // only then does it matter whether ctx has ended
	}
	select {
	case s.writing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *file) append(ctx context.Context, text []byte) error {
	if !s.enter(ctx) {
		return s.late()
	}
	defer func() { <-s.writing }()
	if err := s.rotate(ctx); err != nil {
		return err
	}
	if s.torn { // what was written of that line's rows was not acknowledged; these are no part of it
		text = append([]byte{'\n'}, text...)
	}
	_, err := s.f.Write(text)
	if s.torn = false; err != nil {
		s.f.Close()
		s.f = nil // so that it is looked at again
	}
	return err
}

// rotate renames the file if it is large enough, and opens the one that has its name now, whoever has renamed it. It is locked
// meanwhile.
func (s *file) rotate(ctx context.Context) error {
	for range 3 { // another process may rename it as well
		if s.f == nil {
			if err := s.open(); err != nil {
				return err
			}
		}
		if err := s.lock(ctx); err != nil {
			return err
		}
		info, err := s.f.Stat()
		if err != nil {
			return err
		}
		if named, err := os.Stat(s.opts.Path); err == nil && os.SameFile(info, named) {
			if info.Size() < s.opts.Rotate {
				return flock(s.f, unix.LOCK_UN)
			}
			if err := s.rename(); err != nil {
				return errors.Join(err, flock(s.f, unix.LOCK_UN))
			}
		}
		s.f.Close() // and with it the lock
		s.f = nil
	}
	return errors.New("the file is renamed again and again")
}

func (s *file) rename() error {
	name := func(n int) string { return fmt.Sprintf("%s.%d", s.opts.Path, n) }
	for n := s.opts.Keep - 1; n > 0; n-- {
		if err := os.Rename(name(n), name(n+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(s.opts.Path, name(1))
}

// Close implements Sink.
func (s *file) Close(ctx context.Context) error {
	if !s.enter(ctx) {
		return fmt.Errorf("close %s: a write hasn't ended: %w", s.opts.Path, context.Cause(ctx))
	}
	defer func() { <-s.writing }()
	if s.f == nil {
		return nil
	}
	err := s.f.Sync()
	if s.locking == nil || s.locking.leave() {
		err = errors.Join(err, s.f.Close())
	}
	s.f, s.locking = nil, nil
	return err
}
