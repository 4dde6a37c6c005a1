// Package scratch makes folders for files that nobody needs afterwards. One that a process leaves because it is killed is removed by the
// next process that makes one for the same purpose.
package scratch

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// staleAge is how old a folder is, at least, that nobody uses: a younger one may just be about to be locked.
const staleAge = time.Minute

// New makes a folder among the temporary files, whose name begins with purpose. It is locked for as long as it is in use, which ends with
// remove or with this process. Folders for the purpose that nobody uses are removed. After an error remove does nothing.
func New(purpose string) (dir string, remove func(), err error) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), purpose+"-*"))
	for _, dir := range left {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() || time.Since(info.ModTime()) < staleAge {
			continue
		}
		if lock, err := lockFolder(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
	dir, err = os.MkdirTemp("", purpose+"-*")
	if err != nil {
		return "", func() {}, fmt.Errorf("make a working directory: %w", err)
	}
	lock, _ := lockFolder(dir) // where there are no locks, nobody removes it for want of one
	return dir, func() {
		os.RemoveAll(dir)
		lock.Close() // a nil *os.File has nothing to close
	}, nil
}

func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
