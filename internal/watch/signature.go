package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// signature distinguishes a changed file from an unchanged one without reading it. The zero value means no file.
type signature struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

func signatureOf(st *unix.Stat_t) signature {
	return signature{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// racy is how old the last change of a file must be before its signature tells changes from each other: the kernel's clock stands
// still for some milliseconds at a time, and that of some file systems for two seconds.
const racy = 2 * time.Second

// Signature returns a text that will be another one once the file at the path is another one or was written to. It is empty if no
// such text can be had, as of a file that was changed just now.
func Signature(path string) string {
	s, err := look(path)
	changed := time.Unix(s.ctime.Unix())
	if err != nil || s.size == 0 || time.Since(changed) < racy {
		return ""
	}
	return fmt.Sprint(s)
}

// look returns the signature of what path leads to. It opens nothing, because a FIFO would block. The error is fs.ErrNotExist if
// path leads nowhere.
func look(path string) (signature, error) {
	var st unix.Stat_t
	err := ignoringEINTR(func() error { return unix.Stat(path, &st) })
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return signature{}, fs.ErrNotExist
	case err != nil:
		return signature{}, fmt.Errorf("stat %s: %w", path, err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		// That something else is there is news, but not what happens in it.
		return signature{dev: st.Dev, ino: st.Ino}, nil
	}
	return signatureOf(&st), nil
}

// lookAll returns the signatures of a target's files. A file that exists but can't be looked at keeps its last signature: a file
// server that doesn't answer has changed nothing.
func (t *Target) lookAll() map[string]signature {
	names := []string{t.base}
	if t.isDir() {
		entries, err := readDir(t.abs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return t.seen
		}
		names = names[:0]
		for _, e := range entries {
			if t.match(e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	found := make(map[string]signature, len(names))
	for _, name := range names {
		sig, err := look(t.entryPath(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			sig = t.seen[name]
		}
		if sig != (signature{}) {
			found[name] = sig
		}
	}
	return found
}

// readDir is os.ReadDir, unsorted, and doesn't block on a FIFO.
func readDir(path string) ([]os.DirEntry, error) {
	d, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(-1)
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
