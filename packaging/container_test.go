package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestContainer serves, hands over, restarts a worker, reaps and stops as pid 1 of a container.
func TestContainer(t *testing.T) {
	wanted(t)
	t.Parallel()
	c := startContainer(t)
	status := run(t, exec.Command("cat", fmt.Sprintf("/proc/%d/status", c.pid)))
	if !regexp.MustCompile(`(?m)^NSpid:.*\t1$`).MatchString(status) || !strings.Contains(status, "\nUid:\t10001\t10001\t10001\t10001\n") {
		t.Errorf("it isn't pid 1, or another user than the Containerfile's:\n%s", status)
	}
	if err := os.WriteFile(c.inside("usr/written"), nil, 0o644); err == nil {
		t.Error("its root can be written")
	}

	dir := t.TempDir()
	for _, args := range [][]string{{"new", "greeter"}, {"build", "./greeter"}} {
		cmd := exec.Command(c.program, args...)
		cmd.Dir = dir
		run(t, cmd)
	}
	run(t, exec.Command("install", "-m", "644", filepath.Join(dir, "build/plugins/greeter.so"), c.inside("var/lib/sohost/plugins")))
	await(t, "the plugin is served", func() bool {
		return regexp.MustCompile(`(?m)^greeter +[0-9a-f]{12} `).MatchString(run(t, c.sohost("status")))
	})
	load := startLoad(c.url+"/greeter", 0)
	run(t, c.sohost("handover"))
	t.Logf("%d requests beside a handover", load.end(t))

	before := c.children(t)
	for _, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	await(t, "another worker serves", func() bool {
		_, err := get(c.url + "/greeter")
		return err == nil
	})
	// What a plugin starts and leaves behind becomes a child of pid 1, as what this shell leaves does.
	run(t, exec.Command("nsenter", "--pid", "--target", strconv.Itoa(c.pid), "sh", "-c", "sleep 0.3 >&- 2>&- &"))
	await(t, "an orphan is there", func() bool { return c.named(t, "sleep") > 0 })
	await(t, "an orphan has ended, and nothing is left of it", func() bool { return c.named(t, "sleep") == 0 })
	c.stop(t, c.pid)
}

// container is what the Containerfile describes, run as a container engine would: as pid 1 of a process namespace, as a user
// without rights, on a root that can't be written and has only the program, its C library and its configuration.
type container struct {
	*service
	pid     int    // of its pid 1, outside
	program string // the same program, outside
}

func startContainer(t *testing.T) *container {
	t.Helper()
	root, recipe := filepath.Join(t.TempDir(), "root"), instructions(t, "container/Containerfile")
	uid, _, _ := strings.Cut(recipe["USER"], ":")
	for _, d := range []string{"proc", "dev", "tmp", "run/sohost", "var/lib/sohost", "etc/sohost", "usr/local/bin"} {
		run(t, exec.Command("install", "-d", filepath.Join(root, d)))
	}
	c := &container{program: filepath.Join(root, "usr/local/bin/sohost")}
	run(t, exec.Command("tar", "-C", filepath.Dir(c.program), "--strip-components=1", "--wildcards", "-xf",
		built{"../build/package"}.file(t, "*-"+architecture(t)+".tar.gz"), "*/sohost"))
	run(t, exec.Command("cp", "container/sohost.toml", filepath.Join(root, "etc/sohost")))
	for library := range strings.Lines(run(t, exec.Command("ldd", c.program))) {
		if path := regexp.MustCompile(`/\S+`).FindString(library); path != "" {
			run(t, exec.Command("install", "-D", path, filepath.Join(root, path)))
		}
	}
	const inside = `
		mount --bind "$0" "$0"
		mount -o remount,bind,ro "$0"
		mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		mount -t tmpfs tmpfs "$0/tmp"
		mount -t tmpfs -o uid=$1,mode=0700 tmpfs "$0/run/sohost"
		mount -t tmpfs -o uid=$1 tmpfs "$0/var/lib/sohost"
		install -d -o $1 "$0/var/lib/sohost/plugins"
		user=$1
		shift
		exec setpriv --clear-groups --no-new-privs unshare --root="$0" --setgid $user --setuid $user "$@"`
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", inside, root, uid}, words(recipe["ENTRYPOINT"], recipe["CMD"])...)
	// Others may have the port, which isn't the container's own here.
	cmd := exec.Command("unshare", append(args, "--listen", "127.0.0.1:0")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.service = serve(t, cmd)
	c.pid = children(t, cmd.Process.Pid)[0]
	return c
}

// inside returns the path outside of a file in the container.
func (c *container) inside(path string) string { return fmt.Sprintf("/proc/%d/root/%s", c.pid, path) }

// sohost returns a command for the server, which is given outside.
func (c *container) sohost(args ...string) *exec.Cmd {
	return exec.Command(c.program, append(args, "--control", c.inside("run/sohost/control.sock"))...)
}

func (c *container) children(t *testing.T) []int { return children(t, c.pid) }

// named returns how many children of pid 1 have a name, dead ones that nobody has waited for included.
func (c *container) named(t *testing.T, name string) (n int) {
	t.Helper()
	for _, pid := range c.children(t) {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == name {
			n++
		}
	}
	return n
}

// children returns the processes that a process has started or got.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d has ended", pid)
	}
	for _, file := range files {
		all, _ := os.ReadFile(file) // a thread may have ended
		for _, word := range strings.Fields(string(all)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it isn't so that %s", what)
		}
	}
}

// instructions returns the last of each kind in a Containerfile.
func instructions(t *testing.T, file string) map[string]string {
	t.Helper()
	last := map[string]string{}
	for line := range strings.Lines(run(t, exec.Command("cat", file))) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == strings.ToUpper(name) {
			last[name] = rest
		}
	}
	return last
}

// words returns those in lists such as ["run", "now"].
func words(lists ...string) (all []string) {
	for _, quoted := range regexp.MustCompile(`"[^"]*"`).FindAllString(strings.Join(lists, " "), -1) {
		all = append(all, strings.Trim(quoted, `"`))
	}
	return all
}
