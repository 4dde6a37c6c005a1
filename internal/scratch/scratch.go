package wall

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// scratchPattern names the folders for children's files.
const scratchPattern = "sohost-probe-*"

// staleAge is how old a folder is, at least, that nobody uses: a younger one may just be about to be locked.
const staleAge = time.Minute

// newScratch makes a folder for a child, locked for as long as it is in use, and removes those of processes that died before they
// could do it themselves. It returns "" if none can be made.
func newScratch() (dir string, remove func()) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), scratchPattern))
	for _, dir := range left {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() || time.Since(info.ModTime()) < staleAge {
			continue
		}
		if lock, err := lockFolder(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
	dir, err := os.MkdirTemp("", scratchPattern)
	if err != nil {
		return "", func() {}
	}
	lock, err := lockFolder(dir)
	return dir, func() {
		os.RemoveAll(dir)
		if err == nil {
			lock.Close()
		}
	}
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
