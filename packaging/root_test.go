package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sohost/sohost/internal/executable"
)

// root is a copy of this machine's file system, with empty /run and /tmp. What changes in it changes nothing outside. systemd
// doesn't run in it.
type root struct{ dir string }

func newRoot(t *testing.T) root {
	t.Helper()
	dir := t.TempDir()
	r := root{filepath.Join(dir, "merged")}
	for _, d := range []string{"merged", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.mount(t, "overlay", "", "overlay", "lowerdir=/,upperdir="+dir+"/upper,workdir="+dir+"/work")
	r.mount(t, "proc", "proc", "proc", "")
	r.mount(t, "tmpfs", "run", "tmpfs", "mode=755")
	r.mount(t, "tmpfs", "tmp", "tmpfs", "mode=1777")
	if err := syscall.Mount("/dev", filepath.Join(r.dir, "dev"), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "merged/usr/sbin/policy-rc.d")); err != nil && !os.IsNotExist(err) { // as containers have
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(r.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r root) mount(t *testing.T, source, at, kind, options string) {
	t.Helper()
	if err := syscall.Mount(source, filepath.Join(r.dir, at), kind, 0, options); err != nil {
		t.Fatalf("mount %s at %s: %v; the target test-package makes a namespace for that", kind, filepath.Join(r.dir, at), err)
	}
}

// calls is what systemctl was called with, line by line.
const calls = "/tmp/systemctl.calls"

// recordSystemctl makes package scripts see a machine on which systemd runs, and notes what they tell it. Units are enabled by links,
// for which systemctl needs no systemd.
func (r root) recordSystemctl(t *testing.T) {
	t.Helper()
	r.run(t, "mkdir", "-p", "/run/systemd/system")
	r.run(t, "mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
	r.write(t, "/usr/bin/systemctl", `#!/bin/sh
echo "$@" >>`+calls+`
case "$*" in
*preset*) exec systemctl.real "$@" ;;
*is-enabled*) echo enabled ;;
*is-active*) exit 3 ;;
esac
`)
}

// called reports whether what systemctl was called with since the last time matches a pattern.
func (r root) called(t *testing.T, pattern string) bool {
	t.Helper()
	all := r.read(t, calls)
	r.write(t, calls, "")
	t.Logf("systemctl %s", strings.ReplaceAll(strings.TrimSpace(all), "\n", "\nsystemctl "))
	return regexp.MustCompile(`(?m)` + pattern).MatchString(all)
}

// command returns one that sees nothing but the root.
func (r root) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/usr/bin/env", append([]string{name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.dir, Pdeathsig: syscall.SIGKILL}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return cmd
}

// run returns what a command prints on both standard output and standard error; it must succeed.
func (r root) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := r.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// install installs a Debian package, and returns what that prints.
func (r root) install(t *testing.T, deb string) string {
	t.Helper()
	data, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "/tmp/sohost.deb", string(data))
	return r.run(t, "dpkg", "--force-confold", "-i", "/tmp/sohost.deb")
}

func (r root) read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (r root) write(t *testing.T, path, text string) {
	t.Helper()
	if err := executable.Write(filepath.Join(r.dir, path), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func (r root) has(path string) bool {
	_, err := os.Lstat(filepath.Join(r.dir, path))
	return err == nil
}
