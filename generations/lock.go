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

// lockFile is never removed: otherwise two processes could lock two different files.
const lockFile = "lock"

// lookAgain is how often a waiter checks whether a live process holds the lock by now. It has no influence on how soon the
// waiter gets the lock.
const lookAgain = 250 * time.Millisecond

// A Lock holds a store's directory, by an flock of STORE/lock. The kernel ties it to the open file and not to a process. So
// processes that pass the file on share one lock, which is free when the last of them has closed the file or exited, for
// whatever reason: a lock is never stale. Only the pid in the file may be that of an earlier holder.
//
// A Lock keeps out processes that don't have it. Those that share it must agree which one has the store open for writing.
type Lock struct {
	file     *os.File
	acquired bool // by this process, whose pid is in the file
}

// AcquireLock takes the lock of the store in dir, and creates the directory if needed.
//
// If a live process has taken the lock, it returns a *LockedError within a tenth of a second; one that was killed just now gets more time
// to be gone. If the process that took it is
// gone, the lock is held by processes that it passed the lock to, which are finishing. AcquireLock waits for them; if ctx
// ends first, it returns a *LockedError that wraps the cause. A process in another pid namespace counts as gone.
//
// After a wait that ctx ended, a goroutine and an open file remain until the lock is free. They release it immediately.
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
	if !errors.As(err, &locked) || alive(locked.PID, grace) {
		return lock, err
	}
	return waitLock(ctx, dir, locked.PID)
}

// InheritLock makes a Lock of the open file that another process has passed on. OpenStore checks that it is the lock of the
// store to open. The file belongs to the Lock from then on, and child processes do not inherit it automatically.
func InheritLock(f *os.File) *Lock {
	// An inherited descriptor is inheritable: every child process would hold the lock too, for as long as it lives.
	unix.CloseOnExec(int(f.Fd()))
	return &Lock{file: f}
}

// File returns the open file, to pass on to another process. It still belongs to the Lock; do not close it.
func (l *Lock) File() *os.File { return l.file }

// Close releases the lock for this process. Processes that it was passed to still hold it. A second Close does nothing.
func (l *Lock) Close() error {
	if l.acquired {
		l.file.Truncate(0) // this process no longer holds the store, whoever else does
	}
	// Not LOCK_UN, which would release the lock for every process that shares it.
	if err := l.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}

// Verify returns an error unless l is the lock of the store in dir, and is held. It is a *WrongLockError if the lock's file was
// removed or replaced, with or without the store. Then another process may take the store, and nothing should be written to it.
func (l *Lock) Verify(dir string) error {
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
	// This does nothing if it is held through this open file, by whichever process.
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

// waitLock takes the lock as soon as it is free. dead is the pid in the file, or 0: there is none just after the lock was
// taken, or if its taker has closed it while others still hold it.
func waitLock(ctx context.Context, dir string, dead int) (*Lock, error) {
	f, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	got := make(chan error)
	// Only the lock ends a blocked flock, and a descriptor in use by a system call must not be closed, because its number
	// could be another file's by then. So after a canceled wait the goroutine stays and cleans up.
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
			// Another waiter may have got it. The same pid as before is no news, even if a new process has that number now.
			pid := holder(f)
			if pid != dead && alive(pid, 0) {
				return nil, &LockedError{Dir: dir, PID: pid}
			}
			dead = pid
		}
	}
}

func openLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, recordMode)
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

// newLock makes a Lock of f and writes this process's pid into it. err is the outcome of locking f.
func newLock(f *os.File, err error) (*Lock, error) {
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock store: %w", err)
	}
	// The pid is only information for others, so a full disk must not keep the store from opening.
	if f.Truncate(0) == nil {
		f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	return &Lock{file: f, acquired: true}, nil
}

// holder returns the pid that the lock's taker has written, or 0 if there is none.
func holder(f *os.File) int {
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil {
		return 0
	}
	return max(pid, 0)
}
