package wall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// actEnv makes the test program a child that does what it names.
const actEnv = "WALL_TEST_ACT"

// unenteredEnv makes the child leave out layers: it acts before it enters, as if the kernel had no filter.
const unenteredEnv = "WALL_TEST_UNENTERED"

func TestMain(m *testing.M) {
	act := os.Getenv(actEnv)
	if act == "" {
		os.Exit(m.Run())
	}
	if os.Getenv(unenteredEnv) != "" {
		fmt.Println(acts[act]())
	}
	inside, err := Enter()
	if err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
	text := ""
	if err := acts[act](); err != nil {
		text = err.Error()
	}
	inside.Report(text)
}

// target is a file or address that a child is told to reach.
func target() string { return os.Getenv("WALL_TEST_TARGET") }

// acts are what children do. An act that is refused returns the error.
var acts = map[string]func() error{
	"nothing":     func() error { return nil },
	"exit":        func() error { os.Exit(3); return nil },
	"kill parent": func() error { return syscall.Kill(outside(), syscall.SIGKILL) },
	"quit parent": func() error { return syscall.Kill(outside(), syscall.SIGQUIT) },
	"kill group":  func() error { return syscall.Kill(0, syscall.SIGKILL) },
	"kill all":    func() error { return syscall.Kill(-1, syscall.SIGKILL) },
	"kill self":   func() error { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
	"is there":    func() error { return unreachable(syscall.Kill(outside(), 0)) },
	"by pidfd": func() error {
		fd, err := unix.PidfdOpen(outside(), 0)
		if err != nil {
			fd = -1
		}
		return unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0)
	},
	"trace": func() error { return syscall.PtraceAttach(outside()) },
	"limit": func() error {
		return unix.Prlimit(outside(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil)
	},
	"own limit": func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}) },
	"priority":  func() error { return unix.Setpriority(unix.PRIO_USER, 0, 19) },
	"user":      func() error { return syscall.Setuid(65534) },
	"group":     func() error { return syscall.Setgid(65534) },
	"groups":    func() error { return syscall.Setgroups(nil) },
	"file user": func() error { return unix.Setfsuid(65534) },
	"drop": func() error {
		var none [2]unix.CapUserData
		return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
	},
	"mount":   func() error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") },
	"unshare": func() error { return unix.Unshare(unix.CLONE_NEWNS) },
	"reboot":  func() error { return unix.Reboot(0) },
	"run":     func() error { return exec.Command("/bin/true").Run() },
	"exec":    func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) },
	"daemon": func() error { // as a C constructor would
		return daemon(unix.SYS_CLONE, uintptr(syscall.SIGCHLD))
	},
	"connect": func() error { _, err := net.Dial("tcp", target()); return err },
	"listen":  func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
	"unix":    func() error { _, err := net.Dial("unix", target()); return err },
	"write":   func() error { return os.WriteFile(target(), []byte("written"), 0o600) },
	"append": func() error {
		f, err := os.OpenFile(target(), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			f.WriteString("more")
		}
		return err
	},
	"remove":   func() error { return os.Remove(target()) },
	"rename":   func() error { return os.Rename(target(), target()+".gone") },
	"truncate": func() error { return os.Truncate(target(), 0) },
	"chmod":    func() error { return os.Chmod(target(), 0o777) },
	"times":    func() error { return os.Chtimes(target(), time.Now(), time.Now()) },
	"mkdir":    func() error { return os.Mkdir(target()+".d", 0o700) },
	"memory file": func() error {
		return os.WriteFile("/dev/shm/"+filepath.Base(target()), nil, 0o600)
	},
	"shared memory": func() error { _, err := unix.SysvShmGet(4711, 4096, unix.IPC_CREAT|0o600); return err },
	"temporary": func() error {
		f, err := os.CreateTemp("", "x")
		if err != nil {
			return err
		}
		if _, err = f.WriteString("text"); err != nil {
			return err
		}
		if err := os.Rename(f.Name(), f.Name()+".new"); err != nil {
			return err
		}
		return os.WriteFile(os.DevNull, []byte("x"), 0)
	},
	"read": func() error {
		b, err := os.ReadFile(target())
		if err == nil && string(b) != "before" {
			err = fmt.Errorf("it reads %q", b)
		}
		return err
	},
	"fill": func() error {
		var all [][]byte
		for {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
			runtime.KeepAlive(all)
		}
	},
	"hang": func() error { select {} },
	"who": func() error {
		if want := os.Getenv("WALL_TEST_USER"); strconv.Itoa(os.Getuid()) != want {
			return fmt.Errorf("it is user %d, want %s", os.Getuid(), want)
		}
		entries, err := os.ReadDir("/proc/self/fd")
		for _, e := range entries {
			if link, _ := os.Readlink("/proc/self/fd/" + e.Name()); link == target() {
				return errors.New("it has a file of its parent")
			}
		}
		if err != nil {
			return err
		}
		if os.Getenv("NOTIFY_SOCKET") != "" {
			return errors.New("NOTIFY_SOCKET")
		}
		if _, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0); err == nil {
			return errors.New("it has a terminal")
		}
		return nil
	},
}

// outside returns the number of a process that a child must not reach: its parent's in the parent's namespace.
func outside() int {
	pid, _ := strconv.Atoi(target())
	return pid
}

func unreachable(err error) error {
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) { // in another namespace; out of Landlock's reach
		return nil
	}
	return err
}

// daemon starts a process by a raw call. The new process leaves its group and stays.
func daemon(call, flags uintptr) error {
	runtime.LockOSThread()
	pid, _, errno := syscall.RawSyscall6(call, flags, 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
		for {
			syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	return nil
}

// program returns the command that starts the test program.
func program() *exec.Cmd {
	if launcher := os.Getenv("SOHOST_LAUNCHER"); launcher != "" {
		return exec.Command(launcher, os.Args[0])
	}
	return exec.Command(os.Args[0])
}

// act runs a child that does something behind the wall, and returns the error that the child got.
func act(t *testing.T, w *Wall, what, target string, o Options, env ...string) (Outcome, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := w.Run(ctx, o, func() *exec.Cmd {
		cmd := program()
		cmd.Env = append(os.Environ(), append(env, actEnv+"="+what, "WALL_TEST_TARGET="+target, "NOTIFY_SOCKET=x")...)
		cmd.Stderr = nil
		return cmd
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var text string
	if out.Report != nil {
		if err := json.Unmarshal(out.Report, &text); err != nil {
			t.Fatalf("%s: it reports %s", what, out.Report)
		}
	}
	return out, text
}

// needs skips a test where the kernel or an emulator has none of a layer.
func needs(t *testing.T, name string) {
	t.Helper()
	var w Wall
	act(t, &w, "nothing", "", Options{})
	for _, l := range w.Layers() {
		if l.Name == name && !l.InForce {
			t.Skipf("%s is not in force here: %s", name, l.Why)
		}
	}
}

// TestNothingGoesOut lets children try whatever reaches out. Each attempt fails, is named, and nothing has changed.
func TestNothingGoesOut(t *testing.T) {
	needs(t, Calls)
	var w Wall
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	local, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	parent := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		act, target string
		harm, tried string // what the parent is told; one of them
	}{
		{"kill parent", parent, "send SIGKILL to a process outside (kill)", ""},
		{"quit parent", parent, "send SIGQUIT to a process outside (kill)", ""},
		{"kill group", "", "send SIGKILL to a process outside (kill)", ""},
		{"kill all", "", "send SIGKILL to a process outside (kill)", ""},
		{"by pidfd", parent, "send SIGKILL to a process outside (pidfd_send_signal)", ""},
		{"trace", parent, "read or change another process (ptrace)", ""},
		{"mount", "", "mount or unmount (mount)", ""},
		{"unshare", "", "change its namespaces or root directory (unshare)", ""},
		{"user", "", "become another user or group (setuid)", ""},
		{"group", "", "become another user or group (setgid)", ""},
		{"groups", "", "become another user or group (setgroups)", ""},
		{"file user", "", "become another user or group (setfsuid)", ""},
		{"drop", "", "change its capabilities (capset)", ""},
		{"reboot", "", "change or stop the machine (reboot)", ""},
		{"limit", parent, "", "change limits or priority of another process (prlimit64)"},
		{"priority", "", "", "change limits or priority of another process (setpriority)"},
		{"run", "", "", "start a process (clone)"},
		{"exec", "", "", "run /bin/true (execve)"},
		{"daemon", "", "", "start a process (clone)"},
		{"connect", tcp.Addr().String(), "", "open a socket for IPv4 (socket)"},
		{"listen", "", "", "open a socket for IPv4 (socket)"},
		{"unix", local.Addr().String(), "", "open a socket of a local service (socket)"},
		{"write", file, "", "write to " + file + " (openat)"},
		{"append", file, "", "write to " + file + " (openat)"},
		{"remove", file, "", "write to " + file + " (unlinkat)"},
		{"rename", file, "", "write to " + file + " (renameat)"},
		{"truncate", file, "", "write to " + file + " (truncate)"},
		{"chmod", file, "", "change the mode, owner or times of " + file + " (fchmodat)"},
		{"times", file, "", "change the mode, owner or times of " + file + " (utimensat)"},
		{"mkdir", file, "", "write to " + file + ".d (mkdirat)"},
		{"memory file", file, "", "write to /dev/shm/file (openat)"},
		{"shared memory", "", "", "use shared memory, queues or semaphores (shmget)"},
	} {
		out, failed := act(t, &w, test.act, test.target, Options{})
		if out.Harm != test.harm {
			t.Errorf("%s: harm %q, want %q", test.act, out.Harm, test.harm)
		}
		if test.harm == "" && (failed == "" || !slices.Contains(out.Tried, test.tried)) {
			t.Errorf("%s: it tried %q and got %q, want %q and an error", test.act, out.Tried, failed, test.tried)
		}
	}
	after, err := os.Stat(file)
	if err != nil || after.Mode() != stat.Mode() || after.Size() != stat.Size() || !after.ModTime().Equal(stat.ModTime()) {
		t.Errorf("the file has changed: %v, %v", after, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the directory has %v", entries)
	}
}

// TestPermitted lets children do what code that begins may do.
func TestPermitted(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	var w Wall
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file that C code has opened, say, without O_CLOEXEC.
	leak, err := unix.MemfdCreate("leak", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	leaked, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(leak))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("WALL_TEST_USER", strconv.Itoa(os.Getuid()))
	for _, test := range []struct{ act, target string }{
		{"nothing", ""}, {"read", file}, {"is there", strconv.Itoa(os.Getpid())}, {"own limit", ""}, {"temporary", ""},
		{"who", leaked},
	} {
		out, failed := act(t, &w, test.act, test.target, Options{})
		if out.Report == nil || failed != "" || out.Harm != "" || len(out.Tried) > 0 || out.Status != nil {
			t.Errorf("%s: it got %q, harm %q, tried %q, %v", test.act, failed, out.Harm, out.Tried, out.Status)
		}
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("folders stay: %q", left)
	}
	if n := len(tasks(t)); n > 50 {
		t.Errorf("%d threads stay", n)
	}
}

func tasks(t *testing.T) []os.DirEntry {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestNoTemporaryFolder has nowhere to put a child's files. The child runs all the same, and can write nowhere.
func TestNoTemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	var w Wall
	if out, failed := act(t, &w, "nothing", "", Options{}); out.Report == nil || failed != "" {
		t.Errorf("it got %q, %v", failed, out.Status)
	}
	if _, failed := act(t, &w, "temporary", "", Options{}); failed == "" {
		t.Error("it wrote a file")
	}
}

// TestEnds shows how children end.
func TestEnds(t *testing.T) {
	var w Wall
	if out, _ := act(t, &w, "exit", "", Options{}); out.Status == nil || out.Status.Error() != "exit status 3" || out.Report != nil {
		t.Errorf("exit: %v, %s", out.Status, out.Report)
	}
	if out, _ := act(t, &w, "kill self", "", Options{}); out.Status == nil || !strings.HasPrefix(out.Status.Error(), "signal: ") {
		t.Errorf("kill self: %v", out.Status)
	}
	_, err := w.Run(t.Context(), Options{Limit: 100 * time.Millisecond}, func() *exec.Cmd {
		cmd := program()
		cmd.Env = append(os.Environ(), actEnv+"=hang")
		return cmd
	})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("hang: %v", err)
	}
	if os.Getenv("SOHOST_LAUNCHER") != "" {
		t.Skip("an emulator doesn't limit the memory of the program that it runs")
	}
	if out, _ := act(t, &w, "fill", "", Options{Memory: 256 << 20}); out.Status == nil || out.Report != nil {
		t.Errorf("fill: %v, %s", out.Status, out.Report)
	}
}

// TestNothingStays lets children start a process that leaves their group, with fewer and fewer layers.
func TestNothingStays(t *testing.T) {
	var w Wall
	act(t, &w, "nothing", "", Options{})
	layers := w.Layers()
	before := children(t)
	for _, test := range []struct {
		name string
		w    *Wall
		o    Options
		env  []string
	}{
		{"namespaces only", &Wall{}, Options{}, []string{unenteredEnv + "=1"}},
		{"no namespaces", &Wall{choice: len(choices()) - 1}, Options{}, nil},
		{"no wall", &Wall{}, Options{Unwalled: true}, nil},
	} {
		if test.env != nil && !slices.ContainsFunc(layers, func(l Layer) bool { return l.Name == Processes && l.InForce }) {
			continue
		}
		out, _ := act(t, test.w, "daemon", "", test.o, test.env...)
		if out.Report == nil {
			t.Errorf("%s: %v", test.name, out.Status)
		}
		if after := children(t); len(after) > len(before) {
			t.Errorf("%s: processes stay: %v, before there were %v", test.name, after, before)
		}
	}
}

// children returns the processes of this program's file.
func children(t *testing.T) (pids []string) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if exe, _ := os.Readlink(dir + "/exe"); exe == self {
			if status, _ := os.ReadFile(dir + "/stat"); !strings.Contains(string(status), ") Z ") {
				pids = append(pids, filepath.Base(dir))
			}
		}
	}
	return pids
}

// TestFewerLayers lets the parent be signalled with one layer at a time out of force.
func TestFewerLayers(t *testing.T) {
	needs(t, Calls)
	parent := strconv.Itoa(os.Getpid())
	w := &Wall{choice: len(choices()) - 1, lacks: errors.New("a reason")}
	if out, _ := act(t, w, "kill parent", parent, Options{}); out.Harm == "" {
		t.Errorf("without namespaces: %+v", out)
	}
	for _, l := range w.Layers() {
		if l.Name == Processes && (l.InForce || l.Why == "") {
			t.Errorf("the layer is told as %+v", l)
		}
	}
	if !Holds(w.Layers()) {
		t.Error("the filter alone is told as no wall")
	}
	if out, _ := act(t, w, "nothing", "", Options{MustHold: true}); out.Report == nil {
		t.Errorf("a child that must not reach its parent, and can't: %+v", out)
	}
	_, err := w.Run(t.Context(), Options{MustHold: true, Unwalled: true}, func() *exec.Cmd {
		cmd := program()
		cmd.Env = append(os.Environ(), actEnv+"=nothing")
		return cmd
	})
	if !errors.Is(err, ErrOpen) {
		t.Errorf("a child that must not reach its parent, and can: %v", err)
	}
	// Before it enters a child has only the outer layers.
	act(t, &Wall{}, "kill parent", parent, Options{}, unenteredEnv+"=1")
}

// TestPatience lets children wait for a CPU. That time isn't counted, up to six times the limit.
func TestPatience(t *testing.T) {
	const limit = 20 * time.Millisecond
	start := func(waited time.Duration) (c *child, ended chan struct{}) {
		return &child{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}, waited: func(int) time.Duration { return waited }}, make(chan struct{})
	}
	for _, test := range []struct{ waited, atLeast time.Duration }{{0, limit}, {2 * limit, 3 * limit}, {time.Hour, maxPatience * limit}} {
		c, ended := start(test.waited)
		begun := time.Now()
		_, err := c.patience(t.Context(), limit, ended, nil)
		if took := time.Since(begun); !errors.Is(err, ErrLimit) || took < test.atLeast*98/100 {
			t.Errorf("it waited %v for a CPU: %v after %v, want at least %v", test.waited, err, took, test.atLeast)
		}
	}
	c, ended := start(time.Hour)
	c.before = time.Hour // before its task began
	if _, err := c.patience(t.Context(), limit, ended, nil); err == nil || !strings.Contains(err.Error(), "of which it waited 0s") {
		t.Errorf("a child that has waited only before its task: %v", err)
	}
	c, ended = start(time.Hour)
	asked := make(chan struct{}, 100)
	c.waited = func(int) time.Duration { asked <- struct{}{}; return time.Hour }
	go func() { <-asked; close(ended) }() // it ends after its limit
	if _, err := c.patience(t.Context(), time.Second, ended, nil); err != nil {
		t.Errorf("a child that was slow for lack of a CPU: %v", err)
	}
	if own := waitedForCPU(os.Getpid()); own < 0 {
		t.Errorf("it waited %v", own)
	}
}

func BenchmarkRun(b *testing.B) {
	for _, unwalled := range []bool{true, false} {
		b.Run(fmt.Sprintf("unwalled=%v", unwalled), func(b *testing.B) {
			var w Wall
			for b.Loop() {
				w.Run(b.Context(), Options{Unwalled: unwalled}, func() *exec.Cmd {
					cmd := program()
					cmd.Env = append(os.Environ(), actEnv+"=nothing")
					return cmd
				})
			}
		})
	}
}
