// Package owners says who may change a file. It looks at owners and modes alone: access control lists, mounts and capabilities can give
// others more.
package owners

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links the kernel follows in one path.
const maxLinks = 40

// Others says by what others than root, this process's user and its groups may change the file at path or put another one in its place,
// through any folder or symbolic link on the way to it. It is empty if they can't. The error is that of looking at the path.
func Others(path string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	user := self()
	var found []string
	at, names := "/", strings.Split(abs, "/")
	for links := 0; ; {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return nil, &os.PathError{Op: "lstat", Path: at, Err: err}
		}
		if how := user.stranger(at, &st); how != "" && !slices.Contains(found, how) {
			found = append(found, how)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			target, err := os.Readlink(at)
			if err != nil {
				return nil, err
			}
			if links++; links > maxLinks {
				return nil, &os.PathError{Op: "follow", Path: path, Err: unix.ELOOP}
			}
			names = append(strings.Split(target, "/"), names...)
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
		}
		for len(names) > 0 && (names[0] == "" || names[0] == ".") {
			names = names[1:]
		}
		if len(names) == 0 {
			return found, nil
		}
		if names[0] == ".." {
			at = filepath.Dir(at)
		} else {
			at = filepath.Join(at, names[0])
		}
		names = names[1:]
	}
}

// trusted are the ids that may own and write files.
type trusted struct{ users, groups []uint32 }

func self() trusted {
	t := trusted{users: []uint32{0, uint32(unix.Geteuid())}, groups: []uint32{0, uint32(unix.Getegid())}}
	groups, _ := os.Getgroups() // without them, fewer are trusted
	for _, g := range groups {
		t.groups = append(t.groups, uint32(g))
	}
	return t
}

// stranger says by what a stranger may change what is at path, or returns "".
func (t trusted) stranger(path string, st *unix.Stat_t) string {
	kind, mode := "file", st.Mode&0o7777
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		kind = "folder"
	case unix.S_IFLNK:
		kind, mode = "link", 0 // its mode means nothing
	}
	sticky := kind == "folder" && mode&unix.S_ISVTX != 0 // there, nobody replaces what is another's
	switch {
	case !slices.Contains(t.users, st.Uid):
		return fmt.Sprintf("the %s %s belongs to user %d", kind, path, st.Uid)
	case mode&0o002 != 0 && !sticky:
		return fmt.Sprintf("everyone may write to the %s %s (mode %04o)", kind, path, mode)
	case mode&0o020 != 0 && !sticky && !slices.Contains(t.groups, st.Gid):
		return fmt.Sprintf("group %d may write to the %s %s (mode %04o)", st.Gid, kind, path, mode)
	}
	return ""
}

// Outside returns where the file at path is if that isn't below dir, with all symbolic links followed, or "".
func Outside(dir, path string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(real, file); err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return file, nil
	}
	return "", nil
}

// ErrNowhere is returned by Leads for a symbolic link that leads nowhere.
var ErrNowhere = errors.New("a link that leads nowhere")

// Leads returns what is at the end of a path. The error is ErrNowhere for a symbolic link to something that isn't there, and says so for
// a loop of links.
func Leads(path string) (os.FileInfo, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, errors.New("a loop of links")
	case errors.Is(err, os.ErrNotExist):
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return nil, fmt.Errorf("%w: to %s", ErrNowhere, target)
		}
	}
	return fi, err
}
