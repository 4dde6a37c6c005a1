// Package spool keeps records on disk, in the order in which they were appended, until all who read them have no need for them any more. Records that are
// on disk survive the death of the process at any instruction.
//
// A spool is a directory with a directory for each process that has appended to it, an epoch. Only one process ever appends to an epoch, and holds a lock
// meanwhile, so that a process can hand over to the next one without a moment in which none of them can append. Readers see the epochs one after the other: they
// begin with one when the process that wrote the one before has let go of it or has died.
//
//	SPOOL/000007/lock            held by the writer
//	SPOOL/000007/000000000000    a segment: records 0 and following of the epoch
//	SPOOL/000007/000000004211    the next one
//
// A segment is never written to again once its writer has closed it. A record that is torn or damaged ends its segment for readers: after a failed write the
// writer goes on in a new one.
package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Errors of a Log.
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")

	// ErrRemoved is returned when somebody has removed the spool's files while it is in use. What they had is lost; later records are kept
	// again.
	ErrRemoved = errors.New("somebody has removed its files, and what was not handled yet is lost")
)

// Options configure a Log.
type Options struct {
	Dir     string
	Limit   int64 // bytes on disk, over which Append returns ErrFull
	Segment int64 // bytes after which a new segment begins. Default: 8 MiB
}

const defaultSegment = 8 << 20

// Log is a spool that this process appends to. Its methods may be called from any goroutine.
type Log struct {
	opts  Options
	epoch uint64
	lock  *os.File
	dirty chan struct{} // has room for one: something is to be synced
	ended sync.WaitGroup

	mu      sync.Mutex    // guards the rest
	file    *os.File      // the segment that is appended to; nil before the first record, and after a failure
	end     int64         // where its next record will be
	kept    int64         // the bytes of it that are on disk
	next    uint64        // the index of the next record
	synced  uint64        // records before this index are on disk, or lost after an error that was told
	size    int64         // bytes of its segments
	others  int64         // of those of other epochs, when they were looked at last: an earlier process may still append
	waiting []ticket      // for records to be on disk
	changed chan struct{} // closed, and replaced, when synced grows and when the log is closed
	closed  bool
}

// ticket is somebody who waits for a record to be on disk.
type ticket struct {
	index uint64
	done  chan<- error
}

// Open opens a spool, and makes it if it isn't there. Close must be called.
func Open(o Options) (*Log, error) {
	if o.Segment <= 0 {
		o.Segment = defaultSegment
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	segments, err := list(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	l := &Log{opts: o, epoch: 1, dirty: make(chan struct{}, 1), changed: make(chan struct{})}
	for _, s := range segments {
		l.others += s.size
	}
	if l.epoch, l.lock, err = newEpoch(o.Dir); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	l.ended.Go(l.flush)
	return l, nil
}

// newEpoch makes the directory of the epoch after all others, and locks it.
func newEpoch(dir string) (uint64, *os.File, error) {
	epochs, err := epochsIn(dir)
	if err != nil {
		return 0, nil, err
	}
	epoch := uint64(1)
	if len(epochs) > 0 {
		epoch = epochs[len(epochs)-1] + 1
	}
	for ; ; epoch++ {
		path := epochDir(dir, epoch)
		if err := os.Mkdir(path, 0o700); errors.Is(err, fs.ErrExist) {
			continue // another process was faster
		} else if err != nil {
			return 0, nil, err
		}
		lock, err := lockEpoch(dir, path)
		return epoch, lock, err
	}
}

// lockEpoch locks the new directory of an epoch.
func lockEpoch(dir, path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), syncDir(path), syncDir(dir)); err != nil {
		return nil, errors.Join(err, lock.Close(), os.Remove(lock.Name())) // so that restore is called again
	}
	return lock, nil
}

// restore makes the directory of the own epoch and its lock again, once somebody has removed one of them. It fails if what the spool is in is
// gone, too. l.mu is held.
func (l *Log) restore() error {
	path := epochDir(l.opts.Dir, l.epoch)
	for _, dir := range []string{l.opts.Dir, path} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	lock, err := lockEpoch(l.opts.Dir, path)
	if err != nil {
		return err
	}
	l.lock.Close()
	l.lock = lock
	l.recount()
	return nil
}

// recount finds out what is left of the own epoch, once somebody has removed some of it. There is no segment that is appended to. l.mu is held.
func (l *Log) recount() {
	segments, err := list(l.opts.Dir)
	if err != nil { // as without a directory: restore counts again
		return
	}
	l.size = 0
	for _, s := range segments {
		if s.epoch == l.epoch {
			l.size += s.size
		}
	}
}

// Close ends the log: records that are not on disk yet are brought there, and readers of other processes may go on after this epoch. Readers of the log
// itself get ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.dirty)
	l.mu.Unlock()
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, l.lock.Close())
}

// Start returns the number of the first record that this process appends.
func (l *Log) Start() uint64 { return number(l.epoch, 0) }

// Size returns how many bytes the spool has on disk.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size + l.others
}

// Release removes segments of which all records have smaller numbers, and epochs of which nothing is left.
func (l *Log) Release(before uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	segments, err := list(l.opts.Dir)
	if err != nil {
		return err
	}
	l.others = 0
	for _, s := range segments {
		if s.epoch != l.epoch {
			l.others += s.size
		}
	}
	for i, s := range segments {
		if !l.released(segments, i, before) {
			break
		}
		if err := os.Remove(s.path(l.opts.Dir)); err != nil && !errors.Is(err, fs.ErrNotExist) { // by another process
			return err
		}
		if s.epoch == l.epoch {
			l.size -= s.size
		} else {
			l.others -= s.size
		}
	}
	return l.removeEpochs(before)
}

// released reports whether all records of a segment have smaller numbers. It ends where the next one of its epoch begins; the last one of an epoch may
// still be appended to.
func (l *Log) released(segments []segment, i int, before uint64) bool {
	epoch := segments[i].epoch
	if i+1 < len(segments) && segments[i+1].epoch == epoch {
		return number(epoch, segments[i+1].first) <= before
	}
	return epoch != l.epoch && number(epoch+1, 0) <= before && l.over(epoch)
}

// removeEpochs removes the directories of epochs before a number that have no segments left.
func (l *Log) removeEpochs(before uint64) error {
	epochs, err := epochsIn(l.opts.Dir)
	if err != nil {
		return err
	}
	for _, epoch := range epochs {
		if epoch == l.epoch || number(epoch+1, 0) > before || !l.over(epoch) {
			continue
		}
		dir := epochDir(l.opts.Dir, epoch)
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 1 {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// over reports whether no process appends to an epoch any more.
func (l *Log) over(epoch uint64) bool {
	f, err := os.Open(filepath.Join(epochDir(l.opts.Dir, epoch), lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil
}
