package watch

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const inNamespace = "WATCH_TEST_NAMESPACE"

// TestMounts mounts file systems over a watched directory and over one on the way to a file, and unmounts them: there is an event each
// time, and what changes in the one that is there now is seen. The test goes on in a process with mounts of its own.
func TestMounts(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		testMounts(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMounts$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func testMounts(t *testing.T) {
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	root := t.TempDir()
	dir, file := filepath.Join(root, "plugins"), filepath.Join(root, "way", "on", "x.so")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	w := New(Options{})
	t.Cleanup(w.Close)
	_, d := watchDir(t, w, dir)
	_, f := watchFile(t, w, file)

	mount := func(at string) {
		must(t, unix.Mount("none", at, "tmpfs", 0, "size=64k"))
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) }) // or the folder can't be removed
	}
	mount(dir)
	d.names(t)
	write(t, filepath.Join(dir, "a.so"), "above")
	d.names(t, "a.so")

	mount(filepath.Join(root, "way"))
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	write(t, file, "above")
	f.next(t)

	// Somebody else has the directory open, so inotify says nothing of its end.
	held, err := os.Open(dir)
	must(t, err)
	defer held.Close()
	must(t, unix.Unmount(dir, unix.MNT_DETACH))
	d.names(t)
	write(t, filepath.Join(dir, "b.so"), "below")
	d.names(t, "b.so")
}

// names waits for the event of a directory that names these entries.
func (l log) names(t *testing.T, want ...string) {
	t.Helper()
	for !slices.Equal(l.next(t).Names, want) {
	}
}
