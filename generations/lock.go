package generations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is never removed: else two processes could lock two files.
const lockFile = "lock"

// lookAgain is how often a waiter looks whether somebody who is alive holds the lock by now. How soon it gets the lock
// doesn't depend on it.
const lookAgain = 250 * time.Millisecond

// dying is how long a process that was killed may take to be gone, all its threads with it. Who starts a server in its place
// at once is not to be sent to it.
const dying = 100 * time.Millisecond

// Lock is the hold on a store's directory: an flock of STORE/lock. The kernel ties it to the open file and not to a
// process. So processes that pass the file on hold one lock together, and it is free when the last of them has closed the
// file or has ended, however it ended: a lock is never stale. Only the pid in the file may be that of an earlier holder.
//
// A Lock keeps out those who don't have it. Those who share it must settle between them which one has the store open for
// writing.
type Lock struct {
	file     *os.File
	acquired bool // by this process, whose pid is in the file
}

// AcquireLock takes the lock of the store in dir, which it makes if need be.
//
// When a live process took the lock before, the error is a *LockedError, within a tenth of a second. When the process that took it is gone, the
// lock is held by processes that it passed the lock to and that are finishing: AcquireLock waits for them, and when ctx ends
// first the error is a *LockedError that wraps the cause. A process in another pid namespace counts as gone.
//
// A goroutine and an open file outlast a wait that ctx ended, until the lock is free; they let go of it at once.
func AcquireLock(ctx context.Context, dir string) (*Lock, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	if err := realDisk().mkdirs(dir); err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	lock, err := tryLock(dir)
	var locked *LockedError
	if !errors.As(err, &locked) || alive(locked.PID, dying) {
		return lock, err
	}
	return waitLock(ctx, dir, locked.PID)
}

// InheritLock makes a Lock of the open file that another process has passed on. OpenStore checks that it is the lock of the
// store to open. The file belongs to the Lock from then on, and isn't passed on by the mere start of a further process.
func InheritLock(f *os.File) *Lock {
	// An inherited descriptor is inheritable, and every child would hold the lock too, for as long as it lives.
	unix.CloseOnExec(int(f.Fd()))
	return &Lock{file: f}
}

// File gives the open file to pass on to another process. It stays the Lock's and is not to be closed.
func (l *Lock) File() *os.File { return l.file }

// Close lets go of the lock for this process; those that it was passed to hold it still. A second Close does nothing.
func (l *Lock) Close() error {
	if l.acquired {
		l.file.Truncate(0) // whoever finds the store locked is not to be sent to this process
	}
	// Not LOCK_UN, which would take the lock away from all who share it.
	if err := l.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}

// verify makes sure that l is the lock of the store in dir, and held.
func (l *Lock) verify(dir string) error {
	have, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("check lock of store: %w", err)
	}
	want, err := os.Lstat(filepath.Join(dir, lockFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("check lock of store: %w", err)
	}
	if err != nil || !os.SameFile(have, want) {
		return &WrongLockError{Dir: dir, File: l.file.Name()}
	}
	// Does nothing when it is held through this open file, by whichever process.
	err = flock(l.file, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &LockedError{Dir: dir, PID: holder(l.file)}
	}
	if err != nil {
		return fmt.Errorf("check lock of store: %w", err)
	}
	return nil
}

// tryLock takes the lock without waiting.
func tryLock(dir string) (*Lock, error) {
	f, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, &LockedError{Dir: dir, PID: holder(f)}
	}
	return newLock(f, err)
}

// waitLock takes the lock when it is free. Dead is the pid in the file, or 0: there is none for a moment after the lock was
// taken, and when its taker has closed it and others hold it still.
func waitLock(ctx context.Context, dir string, dead int) (*Lock, error) {
	f, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	got := make(chan error)
	// Nothing can end a blocked flock but the lock, and a descriptor that a system call uses must not be closed, as its
	// number could be another file's by then. So a goroutine that nobody waits for any more stays, and cleans up.
	go func() {
		err := flock(f, unix.LOCK_EX)
		select {
		case got <- err: // f belongs to the waiter now
		case <-waiting.Done():
			f.Close()
		}
	}()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case err := <-got:
			return newLock(f, err)
		case <-ctx.Done():
			return nil, &LockedError{Dir: dir, PID: dead, Err: context.Cause(ctx)}
		case <-look.C:
			// Another waiter may have got it. The same pid as before is no news, even if a new process has been given it.
			pid := holder(f)
			if pid != dead && alive(pid, 0) {
				return nil, &LockedError{Dir: dir, PID: pid}
			}
			dead = pid
		}
	}
}

func openLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// newLock makes a Lock of f, unless err tells that it could not be locked, and writes this process's pid into it.
func newLock(f *os.File, err error) (*Lock, error) {
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock store: %w", err)
	}
	// The pid only helps whoever finds the store locked: a full disk must not keep the store from opening.
	if f.Truncate(0) == nil {
		f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	return &Lock{file: f, acquired: true}, nil
}

// holder reads the pid that the lock's taker has written, 0 when there is none.
func holder(f *os.File) int {
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil {
		return 0
	}
	return max(pid, 0)
}

// alive tells whether a process runs and doesn't end within a time. One that has ended and that its parent hasn't waited for
// doesn't run, unlike for kill(2).
func alive(pid int, within time.Duration) bool {
	if pid <= 0 {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // no such process, or a sandbox that doesn't allow the call
		return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	}
	defer unix.Close(fd)
	for begin := time.Now(); ; {
		left := max(within-time.Since(begin), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return false
		}
		if !errors.Is(err, unix.EINTR) || left == 0 {
			return true
		}
	}
}
