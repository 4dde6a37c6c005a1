package wall

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notice is a system call that waits for the parent's decision: struct seccomp_notif.
type notice struct {
	id    uint64
	pid   uint32
	flags uint32
	call  int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// decision is struct seccomp_notif_resp.
type decision struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// maxTried is how many different things that a child tried are remembered.
const maxTried = 20

// judge decides about the calls of a child.
type judge struct {
	scratch string // what is below it may be written to, because Landlock permits just that; empty if nothing may
	calls   map[uintptr]call
	harm    chan<- string // gets the first call that does harm

	tried []string // what it tried, each once
}

// newJudge returns a judge. harm must have room for one string.
func newJudge(scratch string, harm chan<- string) *judge {
	j := &judge{scratch: scratch, calls: map[uintptr]call{}, harm: harm}
	for _, c := range calls() {
		j.calls[c.number] = c
	}
	return j
}

// serve decides about calls until no process is left that could make any, or listener is closed.
func (j *judge) serve(listener *os.File) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return
	}
	for {
		var n notice
		err := raw.Read(func(fd uintptr) bool { // reading would block, whatever the file's mode
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			ready, _ := unix.Poll(poll, 0)
			return ready > 0
		})
		if err != nil || j.control(raw, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) == unix.EBADF {
			return
		}
		if n.id == 0 { // its caller is gone; perhaps all are
			if hungUp(raw) {
				return
			}
			continue
		}
		d := j.decide(n)
		j.control(raw, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&d)) // fails if the caller is gone
	}
}

func (j *judge) control(raw interface{ Control(func(uintptr)) error }, request uintptr, p unsafe.Pointer) (errno unix.Errno) {
	if raw.Control(func(fd uintptr) { _, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(p)) }) != nil {
		return unix.EBADF
	}
	return errno
}

func hungUp(raw interface{ Control(func(uintptr)) error }) (is bool) {
	err := raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		unix.Poll(poll, 0)
		is = poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return is || err != nil
}

// decide refuses a call and notes it, or lets it go on. What goes on is judged by Landlock again, with the arguments that it has
// then: another thread may have changed them.
func (j *judge) decide(n notice) decision {
	c := j.calls[uintptr(n.call)]
	if c.kind == nil {
		return decision{id: n.id, errno: -int32(unix.EPERM)}
	}
	path := c.path.read(n)
	if c.kind == writes && j.mayWrite(path) {
		return decision{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	}
	what := describe(c, n, path)
	if !slices.Contains(j.tried, what) && len(j.tried) < maxTried {
		j.tried = append(j.tried, what)
	}
	if c.kind.harm {
		select {
		case j.harm <- what:
		default:
		}
	}
	return decision{id: n.id, errno: -int32(c.kind.errno)}
}

func (j *judge) mayWrite(path string) bool {
	return j.scratch != "" && (path == os.DevNull || strings.HasPrefix(path, j.scratch+"/"))
}

// describe says what a call does.
func describe(c call, n notice, path string) string {
	what := ""
	switch {
	case c.kind == sending:
		what = " " + signalName(c, n) + " to a process outside"
	case c.kind == connects:
		what = map[uint64]string{unix.AF_UNIX: " of a local service", unix.AF_INET: " for IPv4", unix.AF_INET6: " for IPv6"}[n.args[0]]
	case path != "":
		what = " " + path
	case c.path.has:
		what = " a file"
	case c.kind == writes:
		what = " a file"
	}
	return fmt.Sprintf("%s%s (%s)", c.kind.does, what, c.name)
}

func signalName(c call, n notice) string {
	arg := 1
	if c.number == unix.SYS_TGKILL || c.number == unix.SYS_RT_TGSIGQUEUEINFO {
		arg = 2
	}
	if name := unix.SignalName(unix.Signal(n.args[arg])); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", n.args[arg])
}

// read returns the path that a call names, made absolute, or "" if it can't be known.
func (p place) read(n notice) string {
	if !p.has {
		return ""
	}
	base := fmt.Sprintf("/proc/%d/cwd", n.pid)
	if p.dir >= 0 && int32(n.args[p.dir]) >= 0 {
		base = fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[p.dir]))
	}
	dir, _ := os.Readlink(base)
	if p.name < 0 {
		return dir
	}
	path := readString(int(n.pid), uintptr(n.args[p.name]))
	switch {
	case path == "":
		return ""
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readString reads a string from the memory of a process, "" if that isn't possible.
func readString(pid int, address uintptr) string {
	var text []byte
	page := os.Getpagesize()
	for len(text) < unix.PathMax {
		part := make([]byte, page-int(address)%page) // the page after it need not exist
		local := []unix.Iovec{{Base: &part[0], Len: uint64(len(part))}}
		n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: address, Len: len(part)}}, 0)
		if err != nil {
			return ""
		}
		if end := bytes.IndexByte(part[:n], 0); end >= 0 {
			return string(append(text, part[:end]...))
		}
		text, address = append(text, part[:n]...), address+uintptr(n)
	}
	return ""
}
