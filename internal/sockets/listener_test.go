package sockets

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

// TestListener asks who has a port: this process, for the address and for all; another one; nobody.
func TestListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, at := range []net.Addr{l.Addr(), &net.TCPAddr{Port: port}} {
		if h, ok := Listener(at); !ok || h.PID != os.Getpid() || !h.Us() {
			t.Errorf("%v is held by %v, %v", at, h, ok)
		}
	}
	if h, ok := Listener(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); ok {
		t.Errorf("the port of UDP is held by %v", h)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	f.Close()
	l.Close()
	if h, ok := Listener(l.Addr()); !ok || h.PID != cmd.Process.Pid || h.Program != "sleep" || h.Us() {
		t.Errorf("the port is held by %v, %v, want process %d", h, ok, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if h, ok := Listener(l.Addr()); ok {
		t.Errorf("the port is still held by %v", h)
	}
}
