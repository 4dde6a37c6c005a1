package sockets

import (
	"net"
	"net/netip"
	"testing"
)

// TestOwn finds both ends of a connection among the process's own sockets, and a port that nobody has nowhere.
func TestOwn(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // not every machine has IPv6
			continue
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, a := range []net.Addr{l.Addr(), c.LocalAddr()} {
			if inode, ok := Of(netip.MustParseAddrPort(a.String())); !ok || !Own()[inode] {
				t.Errorf("%v: socket %q, %v", a, inode, ok)
			}
		}
	}
	if inode, ok := Of(netip.MustParseAddrPort("127.0.0.1:0")); ok {
		t.Errorf("port 0 is socket %q", inode)
	}
}

// TestOver opens a socket with the address of a connection that is over. The kernel lists that, too, for a while.
func TestOver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(l.Addr().String())
	accepted.Close() // who closes first is remembered
	c.Close()
	l.Close()
	if inode, ok := Of(address); ok {
		t.Errorf("nothing is open, but %v is socket %q", address, inode)
	}
	l, err = net.Listen("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if inode, ok := Of(address); !ok || !Own()[inode] {
		t.Errorf("%v is socket %q, %v", address, inode, ok)
	}
}

func TestKernelAddr(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90": "127.0.0.1:8080", "0000000000000000FFFF00000100007F:1F90": "127.0.0.1:8080",
		"00000000000000000000000001000000:0050": "[::1]:80",
	} {
		if got, err := kernelAddr(text); err != nil || got != netip.MustParseAddrPort(want) {
			t.Errorf("%s is %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0100007F", "0100:1F90", "x100007F:1F90"} {
		if got, err := kernelAddr(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
