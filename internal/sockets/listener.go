package sockets

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder is a process that has a socket, or a lock.
type Holder struct {
	PID     int
	Program string // its name, cut off by the kernel
}

// Us reports whether the process is this one, or another one of the same program.
func (h Holder) Us() bool {
	own, err := os.Readlink("/proc/self/exe")
	other, otherErr := os.Readlink("/proc/" + strconv.Itoa(h.PID) + "/exe")
	return h.PID == os.Getpid() || err == nil && otherErr == nil && own == other
}

// Listener returns the process that keeps others from listening at an address of TCP or UDP: it has the port for that address or for
// all. It is unknown if nobody does, or if this user may not look at the process.
func Listener(at net.Addr) (Holder, bool) {
	var want netip.AddrPort
	switch a := at.(type) {
	case *net.TCPAddr:
		want = a.AddrPort()
	case *net.UDPAddr:
		want = a.AddrPort()
	default:
		return Holder{}, false
	}
	const listening, unconnected = "0A", "07" // the states of sockets that have a port to themselves
	state := map[string]string{"tcp": listening, "udp": unconnected}[at.Network()]
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/self/net/" + at.Network(), "/proc/self/net/" + at.Network() + "6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) { // see Of
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != state {
				continue
			}
			if a, err := kernelAddr(f[1]); err == nil && overlap(a, want) {
				inodes[f[9]] = true
			}
		}
	}
	return holderOf(inodes)
}

// overlap reports whether two sockets can't have both addresses.
func overlap(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	return a.Port() == b.Port() && (x == y || !y.IsValid() || x.IsUnspecified() || y.IsUnspecified())
}

// holderOf returns a process that has one of the sockets open.
func holderOf(inodes map[string]bool) (Holder, bool) {
	if len(inodes) == 0 {
		return Holder{}, false
	}
	return whoHas(func(to, _ string) bool {
		inode, is := strings.CutPrefix(to, "socket:[")
		return is && inodes[strings.TrimSuffix(inode, "]")]
	})
}

// Locker returns a process that has a lock of a file. It is unknown if nobody does, or if this user may not look at the process.
func Locker(path string) (Holder, bool) {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return Holder{}, false
	}
	return whoHas(func(to, info string) bool {
		if to != path {
			return false
		}
		b, err := os.ReadFile(info) // has a line for each lock
		return err == nil && strings.Contains(string(b), "\nlock:")
	})
}

// whoHas returns a process that has a file open for which is returns true: it is given what the file is, and where more of it is said.
// This process comes first.
func whoHas(is func(to, info string) bool) (Holder, bool) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	own, _ := filepath.Glob("/proc/" + strconv.Itoa(os.Getpid()) + "/fd/*")
	for _, link := range append(own, links...) {
		to, err := os.Readlink(link)
		if err != nil || !is(to, strings.Replace(link, "/fd/", "/fdinfo/", 1)) {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		pid, err := strconv.Atoi(filepath.Base(process))
		if name, nameErr := os.ReadFile(process + "/comm"); err == nil && nameErr == nil {
			return Holder{pid, strings.TrimSpace(string(name))}, true
		}
	}
	return Holder{}, false
}
