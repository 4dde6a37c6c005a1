package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// TestSystemd plays the part of systemd: it makes the sockets, and hears when the server serves, hands over, and stops.
func TestSystemd(t *testing.T) {
	t.Parallel()
	if *arm64 {
		t.Skip("the emulator would be the process that systemd has started; what is tested depends on no architecture")
	}
	p := newPlace(t)
	install(t, newSource(t, "counter").build(), filepath.Join(p.plugins, "counter.so"))
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	private, err := net.Listen("unix", p.control)
	if err != nil {
		t.Fatal(err)
	}
	private.(*net.UnixListener).SetUnlinkOnClose(false)
	var files []*os.File
	for _, l := range []interface{ File() (*os.File, error) }{public.(*net.TCPListener), private.(*net.UnixListener)} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	url := "http://" + public.Addr().String()
	public.Close()
	private.Close()
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(p.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()

	// LISTEN_PID is the pid of the program, which only a shell that becomes the program knows before it runs.
	script := `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" run --store "$1" --plugins "$2" --control "$3" --log-format json --probation 100ms`
	cmd := exec.CommandContext(patient(t), "/bin/sh", "-c", script, server, p.store, p.plugins, p.control)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=http:control", "WATCHDOG_USEC=3000000",
		"NOTIFY_SOCKET="+notices.LocalAddr().String())
	cmd.ExtraFiles, cmd.Dir, cmd.Stderr = files, p.dir, os.Stderr
	// A client that comes before the server waits.
	early := make(chan error, 1)
	go func() {
		resp, err := impatient.Get(url + "/counter")
		if err == nil {
			resp.Body.Close()
		}
		early <- err
	}()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for _, f := range files {
		f.Close()
	}

	hear := func(want string) {
		t.Helper()
		notices.SetReadDeadline(time.Now().Add(patience))
		buf := make([]byte, 4096)
		for {
			n, err := notices.Read(buf)
			if err != nil {
				t.Fatalf("systemd doesn't hear %s: %v", want, err)
			}
			for notice := range strings.Lines(string(buf[:n])) {
				if strings.TrimSpace(notice) == want {
					return
				}
			}
		}
	}
	hear(fmt.Sprintf("MAINPID=%d", cmd.Process.Pid))
	hear("READY=1")
	if err := <-early; err != nil {
		t.Errorf("a client that came early: %v", err)
	}
	hear("WATCHDOG=1")
	client := control.NewClient(p.control)
	other := filepath.Join(p.dir, "other")
	installProgram(t, other)
	for _, program := range []string{"", other} {
		if _, err := client.Handover(patient(t), control.HandoverRequest{Why: "test", Program: program}); err != nil {
			t.Fatal(err)
		}
		hear("RELOADING=1")
		hear("READY=1")
	}
	hear("READY=1") // of the program that has taken the process over
	hear("WATCHDOG=1")
	if s, err := client.Status(patient(t)); err != nil || s.PID != cmd.Process.Pid {
		t.Errorf("the status is that of %d, %v", s.PID, err)
	}
	cmd.Process.Signal(os.Interrupt)
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if _, err := os.Lstat(p.control); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}
