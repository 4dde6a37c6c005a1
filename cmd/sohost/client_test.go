package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketOfAnotherUser asks a server whose socket this user may not write to.
func TestSocketOfAnotherUser(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "c.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // whoever gets through is sent away
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
	if err := checkAccess(socket); err != nil {
		t.Errorf("a socket of one's own: %v", err)
	}
	if err := checkAccess(filepath.Join(t.TempDir(), "absent.sock")); err != nil {
		t.Errorf("no socket at all: %v", err)
	}
	if err := os.Chmod(socket, 0); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error)
	go func() {
		// Nothing is refused to root, so this thread, which ends with the goroutine, looks at files as somebody else.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				asked <- err
				return
			}
		}
		cmd := newStatusCommand()
		cmd.SetArgs([]string{"--control", socket})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		asked <- cmd.Execute()
	}()
	const want = "run the command as the server's user, or as root"
	if err := <-asked; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("status says %v, want %q", err, want)
	}
}

// TestInstalledConfig finds the server that a package has installed, unless another one is nearer.
func TestInstalledConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sohost.toml")
	c := newConfig()
	c.Control = filepath.Join(dir, "here.sock")
	if got, err := c.orInstalled(file); got != c || err != nil {
		t.Errorf("nothing is installed: %v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("control = \"/run/sohost/control.sock\"\nstore = \"/var/lib/sohost/store\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.orInstalled(file); err != nil || got.Control != "/run/sohost/control.sock" {
		t.Errorf("the installed one: %v, %v", got, err)
	}
	if err := os.WriteFile(c.Control, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.orInstalled(file); got != c || err != nil {
		t.Errorf("a server here: %v, %v", got, err)
	}
}
