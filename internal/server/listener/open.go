package listener

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/sohost/sohost/internal/sockets"
	"golang.org/x/sys/unix"
)

// Listen listens on an address of the configuration: HOST:PORT, or unix:PATH with a file of that mode. path is that of a unix socket's
// file, which replaces a socket that nobody answers, and nothing else. The error of a port that is taken says by which process, where
// that is known.
func Listen(address string, mode fs.FileMode) (l net.Listener, path string, err error) {
	if path, is := strings.CutPrefix(address, "unix:"); is {
		l, err = sockets.Unix(path, mode)
		return l, path, err
	}
	l, err = net.Listen("tcp", address)
	var op *net.OpError
	if errors.Is(err, syscall.EADDRINUSE) && errors.As(err, &op) && op.Addr != nil {
		if holder, known := sockets.Listener(op.Addr); known && holder.PID == os.Getpid() {
			err = fmt.Errorf("%w, by this server", err)
		} else if known {
			err = fmt.Errorf("%w, by pid %d (%s)", err, holder.PID, holder.Program)
		}
	}
	return l, "", err
}

// Share has a TCP socket share its port with others of this user that do so as well, at addresses that overlap with its own; or, with
// off, with no more of them.
func Share(fd int, off bool) error {
	value := 1
	if off {
		value = 0
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, value)
}

// ListenShared is Listen for a port that is shared; see Share. On a single address of the machine it doesn't listen yet, but Begin does:
// clients would be waiting there whom a socket on all addresses can serve now.
func ListenShared(address string) (net.Listener, error) {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if at.IP == nil || at.IP.IsUnspecified() {
		shared := func(_, _ string, c syscall.RawConn) (err error) {
			controlErr := c.Control(func(fd uintptr) { err = Share(int(fd), false) })
			return errors.Join(controlErr, err)
		}
		return (&net.ListenConfig{Control: shared}).Listen(context.Background(), "tcp", address)
	}
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: at.Port, Addr: [16]byte(at.IP.To16())})
	if ip := at.IP.To4(); ip != nil {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(ip)}
	} else if zone, err := net.InterfaceByName(at.Zone); err == nil {
		to.(*unix.SockaddrInet6).ZoneId = uint32(zone.Index)
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), address)
	defer f.Close()
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), Share(fd, false), unix.Bind(fd, to)); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	return net.FileListener(f)
}

// Begin has a socket of ListenShared listen, as long as that is shared. It does nothing to others: one that was shut, because the server
// stops, stays shut.
func Begin(fd int) error {
	if shared, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil || shared == 0 {
		return err
	}
	return unix.Listen(fd, unix.SOMAXCONN)
}

// begin does that with a listener's socket.
func begin(on net.Listener) (err error) {
	c, ok := on.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = Begin(int(fd)) })
	return errors.Join(controlErr, err)
}
