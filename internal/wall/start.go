package wall

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// start starts the command in the best set of namespaces that there is.
func (w *Wall) start(scratch string, o Options, command func() *exec.Cmd) (*child, error) {
	if o.Unwalled {
		return startIn(scratch, nil, nil, command)
	}
	w.mu.Lock()
	choice, lacks := w.choice, w.lacks
	w.mu.Unlock()
	for sets := choices(); ; choice++ {
		c, err := startIn(scratch, &sets[choice], lacks, command)
		if err == nil || choice == len(sets)-1 || !unavailable(err) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil {
				w.choice, w.lacks = choice, lacks
			}
			return c, err
		}
		if lacks == nil || sets[choice].flags&unix.CLONE_NEWUSER != 0 {
			lacks = err
		}
	}
}

// startIn starts the command in a set of namespaces; without one it has no wall. lacks says why the set isn't a better one.
func startIn(scratch string, in *namespaces, lacks error, command func() *exec.Cmd) (*child, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("link to the child: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "link")
	defer theirs.Close()
	mine := os.NewFile(uintptr(pair[0]), "link")
	defer mine.Close() // FileConn returns a copy
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, fmt.Errorf("link to the child: %w", err)
	}
	c := &child{cmd: command(), link: conn.(*net.UnixConn), scratch: scratch, mark: markEnv + "=" + rand.Text(),
		waited: waitedForCPU, admitted: make(chan struct{})}
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Env = append(inherited(c.cmd.Environ()), c.mark)
	if scratch != "" {
		c.cmd.Env = append(c.cmd.Env, "TMPDIR="+scratch)
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	c.cmd.WaitDelay = time.Second // in case something that can't be found holds its output open
	c.thread = onThread(func() {
		if in != nil {
			c.cmd.SysProcAttr.Cloneflags = in.flags
			c.layers = append(in.layers(lacks), dropCapabilities())
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				c.layers = append(c.layers, missing(Landlock, fmt.Errorf("no_new_privs: %w", err)))
			} else {
				c.layers = append(c.layers, landlockThread(scratch))
			}
		}
		err = c.cmd.Start()
	})
	if err == nil && in != nil && in.flags&unix.CLONE_NEWUSER != 0 {
		if err = nameUser(c.cmd.Process.Pid); err != nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
	}
	if err != nil {
		c.link.Close()
		c.thread.end()
		return nil, err
	}
	if in != nil { // if the kernel runs out of memory, this is the process to end
		os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", c.cmd.Process.Pid), []byte("1000"), 0)
	}
	return c, nil
}

// inherited returns the environment without what lets a process speak for its parent or use what was handed to that.
func inherited(env []string) (kept []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY",
			"SSH_AUTH_SOCK", "TMPDIR", markEnv:
		default:
			kept = append(kept, e)
		}
	}
	return kept
}
