package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The events to ask the kernel for. A directory on the way to the watched one only needs to report that it has been renamed:
// what else happens in it, which is a lot in one like /tmp, wakes nobody. The last directory on the way also reports when the
// next one is removed, because DELETE_SELF doesn't come while anyone, such as a shell, has the removed directory open. The
// others can't be removed before it.
const (
	maskMoved  = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	maskGone   = maskMoved | unix.IN_DELETE
	maskChange = maskGone | unix.IN_CREATE | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_ATTRIB
)

// maxLinks is how many symbolic links the kernel follows in one path.
const maxLinks = 40

// place is a directory, on a path without symbolic links.
type place struct {
	path     string
	dev, ino uint64
}

// point is a name in a directory at which a path can change its meaning.
type point struct {
	in    place
	name  string // if empty, every name that the target's match accepts
	mask  uint32
	entry string // which of the target's files changes with it; if empty, any
}

func (p point) path() string { return join(p.in.path, p.name) }

// points returns where a target can change, judging by what is there now. The last point of a path is the first name that is
// missing, or that is not a directory although more names follow.
func (t *Target) points() ([]point, error) {
	var w walk
	end, err := w.walk(place{}, t.abs, t.base)
	if err != nil || end == (place{}) || !t.isDir() {
		return w.points, err
	}
	w.mind(len(w.points) - 1)
	w.points = append(w.points, point{in: end, mask: maskChange})
	entries, err := readDir(end.path)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if e.Type() != fs.ModeSymlink || !t.match(e.Name()) {
			continue
		}
		if _, err := w.walk(end, e.Name(), e.Name()); err != nil {
			return nil, err
		}
	}
	return w.points, nil
}

// walk collects the points of paths.
type walk struct{ points []point }

// mind makes point i, that of a directory on the way, also report the removal of the directory.
func (w *walk) mind(i int) {
	if i >= 0 {
		w.points[i].mask |= maskGone
	}
}

// walk follows path from a directory, which an absolute path doesn't need. It returns the directory that path leads to, or the
// zero place if it leads to anything else.
func (w *walk) walk(at place, path, entry string) (place, error) {
	names := strings.Split(path, "/")
	if names[0] == "" {
		root, err := placeAt("/")
		if err != nil {
			return place{}, err
		}
		at = root
	}
	way := -1 // the point of the directory that was entered last
	for links := 0; len(names) > 0; {
		name := names[0]
		names = names[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			up, err := placeAt(filepath.Dir(at.path))
			if err != nil {
				return place{}, err
			}
			at = up
			for i := range w.points {
				w.mind(i) // rare; finding out which ones need it isn't worth the effort
			}
			continue
		}
		p := point{in: at, name: name, mask: maskChange, entry: entry}
		st, err := lstat(p.path())
		missing := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
		if err != nil && !missing {
			return place{}, err
		}
		// A directory in the place of a file is not entered.
		if !missing && st.Mode&unix.S_IFMT == unix.S_IFDIR && (entry == "" || len(names) > 0) {
			p.mask = maskMoved
			way = len(w.points)
			w.points = append(w.points, p)
			at = place{path: p.path(), dev: st.Dev, ino: st.Ino}
			continue
		}
		w.mind(way)
		w.points = append(w.points, p)
		if missing || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return place{}, nil
		}
		target, err := os.Readlink(p.path())
		if links++; err != nil || links > maxLinks {
			return place{}, nil
		}
		names = append(strings.Split(target, "/"), names...)
		if strings.HasPrefix(target, "/") {
			if at, err = placeAt("/"); err != nil {
				return place{}, err
			}
		}
	}
	return at, nil
}

func placeAt(path string) (place, error) {
	st, err := lstat(path)
	return place{path: path, dev: st.Dev, ino: st.Ino}, err
}

func lstat(path string) (st unix.Stat_t, err error) {
	err = ignoringEINTR(func() error { return unix.Lstat(path, &st) })
	if err != nil {
		err = &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return st, err
}

func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}
