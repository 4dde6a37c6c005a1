package generations

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockStore takes the store's lock without waiting. The kernel lets go of it when the process ends, however it ends, so a
// lock is never stale; only the pid in the file may be that of an earlier holder, for the moment until the new one has
// written its own.
func lockStore(dir, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, &LockedError{Dir: dir, PID: holder(f)}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock store: %w", err)
	}
	// The pid only helps whoever finds the store locked: a full disk must not keep the store from opening.
	if f.Truncate(0) == nil {
		f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	return func() {
		f.Truncate(0)
		f.Close() // lets go of the lock; the file stays, since removing it would let two processes lock two files
	}, nil
}

// holder reads the pid that the lock's holder has written.
func holder(f *os.File) int {
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil {
		return 0
	}
	return pid
}
