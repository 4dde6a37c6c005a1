package main

import (
	"crypto/sha256"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/internal/watch"
	"golang.org/x/sys/unix"
)

// sourceFiles says what is in source files, by name. Editors save what hasn't changed, and git writes files anew.
type sourceFiles map[string]sourceFile

type sourceFile struct {
	inode   uint64
	size    int64
	changed time.Time
	sum     [sha256.Size]byte
	settled bool // it was read long enough after the change that another would have had another time
}

// read reads what is in the watched directories now, and reports whether that differs from the last time, and whether any file has been
// written since, if only with what it held. Files whose times haven't changed aren't read again.
func (c *sourceFiles) read(dirs map[string]*watch.Target) (changed, written bool) {
	now := make(sourceFiles)
	for dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // its files are gone
		}
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			var st unix.Stat_t
			if !isSource(e.Name()) || unix.Stat(file, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			f := sourceFile{inode: st.Ino, size: st.Size, changed: time.Unix(st.Ctim.Unix())}
			if before, ok := (*c)[file]; ok && before.isSameWrite(f) && before.settled {
				f = before
			} else {
				f.settled = time.Since(f.changed) > clockSlack
				if f.sum, err = sumOf(file); err != nil {
					continue
				}
			}
			now[file] = f
		}
	}
	changed = !maps.EqualFunc(*c, now, func(a, b sourceFile) bool { return a.sum == b.sum })
	written = !maps.EqualFunc(*c, now, sourceFile.isSameWrite)
	*c = now
	return changed, written
}

// isSameWrite reports whether nothing suggests that the file has been written between a and b.
func (a sourceFile) isSameWrite(b sourceFile) bool {
	return a.inode == b.inode && a.size == b.size && a.changed.Equal(b.changed)
}

// clockSlack is more than a tick of the kernel's clock, which gives files their times.
const clockSlack = 20 * time.Millisecond

func sumOf(file string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
