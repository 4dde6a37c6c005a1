package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/otlp"
	"golang.org/x/sys/unix"
)

// check is one row of the table of checks. look returns one finding or more, without their names.
type check struct {
	name string
	look func(c *config) []finding
}

// checks are what `sohost doctor` checks, besides the probe.
var checks = []check{
	{"kernel", checkKernel},
	{"user", checkUser},
	{"open files", checkOpenFiles},
	{"inotify", checkInotify},
	{"overcommit", checkOvercommit},
	{"temporary files", checkTemporary},
	{"store", checkStore},
	{"plugins", checkPlugins},
	{"control socket", checkControl},
	{"spans", checkSpans},
	{"build", checkBuild},
}

func one(v verdict, found, why, remedy string) []finding {
	return []finding{{Verdict: v, Found: found, Why: why, Remedy: remedy}}
}

func checkKernel(*config) []finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return one(note, err.Error(), "", "")
	}
	return one(good, unix.ByteSliceToString(u.Sysname[:])+" "+unix.ByteSliceToString(u.Release[:])+" "+unix.ByteSliceToString(u.Machine[:]), "", "")
}

func checkUser(*config) []finding {
	if os.Geteuid() == 0 {
		return one(note, "root", "plugins have the rights of the server's user", "start the server as a user of its own that owns nothing else")
	}
	return one(good, strconv.Itoa(os.Geteuid()), "", "")
}

// fewFiles is a limit of open files that a busy server reaches: each connection takes one.
const fewFiles = 4096

func checkOpenFiles(*config) []finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return one(note, err.Error(), "", "")
	}
	found := fmt.Sprintf("%d at most", limit.Max)
	if limit.Max < fewFiles {
		return one(note, found, "each connection takes one, and a handover needs some for both workers",
			"raise the hard limit: ulimit -Hn 65536, or LimitNOFILE=65536 in the unit")
	}
	return one(good, found, "", "")
}

// Fewer watches than this are soon used up by other programs of the user.
const fewWatches, fewInstances = 8192, 64

func checkInotify(*config) []finding {
	watches, err := sysctl("fs/inotify/max_user_watches")
	instances, err2 := sysctl("fs/inotify/max_user_instances")
	if err := errors.Join(err, err2); err != nil {
		return one(note, err.Error(), "changed images are noticed by polling only", "")
	}
	found := fmt.Sprintf("%d watches, %d instances per user", watches, instances)
	if watches < fewWatches || instances < fewInstances {
		return one(note, found, "when they are used up, changed images are noticed by polling",
			fmt.Sprintf("sysctl fs.inotify.max_user_watches=%d fs.inotify.max_user_instances=%d", 8*fewWatches, 8*fewInstances))
	}
	return one(good, found, "", "")
}

func checkOvercommit(*config) []finding {
	mode, err := sysctl("vm/overcommit_memory")
	switch {
	case err != nil:
		return one(note, err.Error(), "", "")
	case mode == 2:
		return one(note, "2: strict", "the kernel may refuse memory that the Go runtime reserves and doesn't use",
			"sysctl vm.overcommit_memory=0, or raise vm.overcommit_ratio")
	}
	return one(good, strconv.Itoa(mode), "", "")
}

func sysctl(name string) (int, error) {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func checkTemporary(*config) []finding {
	dir, err := os.MkdirTemp("", "sohost-doctor-")
	if err != nil {
		return one(note, err.Error(), "in a probe, init functions can't write temporary files, and not every build works", "let the user write to "+os.TempDir()+", or set TMPDIR")
	}
	os.Remove(dir)
	return one(good, os.TempDir(), "", "")
}

// lost are file systems whose files don't survive, by statfs magic; slow are those of other machines.
var lost, slow = map[uint32]string{unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs"},
	map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.CIFS_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB", unix.V9FS_MAGIC: "9P",
		unix.CEPH_SUPER_MAGIC: "Ceph", unix.FUSE_SUPER_MAGIC: "FUSE",
	}

// littleSpace is how little free space, in bytes, is worth a note: an image has some megabytes, and a hundred releases stay.
const littleSpace = 1 << 30

func checkStore(c *config) (found []finding) {
	dir := nearest(c.Store)
	add := func(v verdict, what, why, remedy string) { found = append(found, one(v, what, why, remedy)...) }
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		add(bad, fmt.Sprintf("%s: %v", dir, err), "the server writes images, releases and checkpoints there",
			"let its user write there, or name another directory with --store")
	}
	var in unix.Statfs_t
	if err := unix.Statfs(dir, &in); err != nil {
		add(note, fmt.Sprintf("%s: %v", dir, err), "", "")
		return found
	}
	if in.Flags&unix.ST_NOEXEC != 0 {
		add(bad, dir+" is mounted noexec", "images are opened from the store, and nothing can be run from there",
			"name a directory on another file system with --store")
	}
	if name := lost[uint32(in.Type)]; name != "" {
		add(note, dir+" is on "+name, "state and releases don't survive a restart of the machine", "name a directory on a disk with --store")
	}
	if name := slow[uint32(in.Type)]; name != "" {
		add(note, dir+" is on "+name, "the store's lock and its order of writes rely on a local file system", "name a local directory with --store")
	}
	if free := int64(in.Bavail) * in.Bsize; free < littleSpace {
		add(note, fmt.Sprintf("%s has %s left", dir, size(free)), "images and checkpoints need space", "free some, or keep fewer releases with --keep")
	}
	if text := storeOfAnother(c.Store); text != "" {
		add(bad, text, "what this user's server writes there, the other one's can't read", "start the server as that user, or name another directory with --store")
	}
	if info, err := os.Stat(c.Store); err == nil && info.Mode().Perm()&0o022 != 0 {
		add(bad, fmt.Sprintf("others may write to %s (mode %v)", c.Store, info.Mode().Perm()), "whoever can write there can run code as the server's user",
			"chmod go-w "+c.Store)
	}
	if len(found) == 0 {
		add(good, c.Store, "", "")
	}
	return found
}

// nearest returns the path, or the nearest directory above it that exists.
func nearest(path string) string {
	for {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || path == "/" {
			return path
		}
		path = filepath.Dir(path)
	}
}

func checkPlugins(c *config) (found []finding) {
	dirs := map[string]bool{}
	if c.Plugins != "" {
		dirs[c.Plugins] = true
	}
	for _, p := range c.Plugin {
		dirs[filepath.Dir(p.Image)] = true
	}
	for dir := range dirs {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, one(note, dir+" doesn't exist yet", "", "")...)
		case err != nil:
			found = append(found, one(bad, err.Error(), "the server reads images from there", "")...)
		case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
			found = append(found, one(note, fmt.Sprintf("everyone may write to %s", dir),
				"whoever can write an image can run code as the server's user", "chmod o-w "+dir)...)
		default:
			found = append(found, one(good, dir, "", "")...)
		}
	}
	return found
}

// maxSocketPath is the length of the longest path of a unix socket.
const maxSocketPath = 107

func checkControl(c *config) []finding {
	if len(c.Control) > maxSocketPath {
		return one(bad, c.Control, fmt.Sprintf("the path of a socket has at most %d bytes", maxSocketPath), "name a shorter one with --control")
	}
	return one(good, c.Control, "", "")
}

// checkSpans looks at the variables that a server which is started from here would find. Whether the collector is there it doesn't ask.
func checkSpans(*config) (found []finding) {
	s, err := otlp.FromEnv(os.Getenv)
	if err == nil && s != nil {
		err = s.Check()
	}
	switch {
	case err != nil:
		return one(note, "none: "+err.Error(), "the server's environment asks for spans of reloads and handovers, and there will be none",
			"correct the variable; a service has those of its unit")
	case s == nil:
		return one(good, "none asked for", "", "")
	}
	for _, text := range s.Ignored {
		found = append(found, one(note, "ignored: "+text, "its default counts", "correct the variable; a service has those of its unit")...)
	}
	return append(found, one(good, "to "+s.Shown(), "", "")...)
}

func checkBuild(*config) []finding {
	for _, tool := range []string{"go", "cc"} {
		if tool == "cc" {
			if name := os.Getenv("CC"); name != "" {
				tool = strings.Fields(name + " ")[0]
			} else if _, err := exec.LookPath("gcc"); err == nil {
				continue
			}
		}
		if _, err := exec.LookPath(tool); err != nil {
			return one(note, "there is no "+tool, "`sohost build` and `sohost dev` need it; the server doesn't", "install Go and a C compiler")
		}
	}
	return one(good, "go and a C compiler", "", "")
}
