package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// firstFD is the number of the first descriptor that systemd passes.
const firstFD = 3

// What a socket is for. These are the names that FileDescriptorName= gives it.
const (
	forHTTP    = "http"
	forControl = "control"
)

// Sockets returns the listening sockets that systemd passed to this process, nil for one that it didn't pass. Without socket
// activation, or with one that was meant for another process, all three results are nil.
//
// A socket is told by its FileDescriptorName, "http" or "control". One that has none is for HTTP if it is a TCP socket or the only
// one, and else, being a unix socket, for control.
//
// It doesn't block. On error it has closed whatever systemd passed; the error matches ErrUnusable and names every socket that
// can't be used, with what its unit should say. In any case LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are gone from the environment
// and no child inherits the sockets, so that a second call returns nothing. It isn't safe to start children meanwhile.
//
// Closing a listener leaves the socket's file, if it has one, where it is: it is systemd's.
func Sockets() (http, control net.Listener, err error) {
	files := activation.Files(true)
	found := map[string]net.Listener{}
	var errs []error
	for i, f := range files {
		s, err := inspect(f, firstFD+i)
		if err == nil {
			err = s.listen(f, len(files) == 1, found)
		}
		if err != nil {
			errs = append(errs, err)
		}
		f.Close() // the listener has a copy
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range found {
			l.Close()
		}
		return nil, nil, err
	}
	return found[forHTTP], found[forControl], nil
}

// socket is a stream socket that listens, as the kernel describes it.
type socket struct {
	name   string
	fd     int
	family int // AF_UNIX, AF_INET or AF_INET6
}

// inspect asks the kernel what f is. Only a stream socket that listens is no error.
func inspect(f *os.File, fd int) (socket, error) {
	s := socket{name: f.Name(), fd: fd}
	// The module's stand-in for a name that is missing.
	if strings.HasPrefix(s.name, "LISTEN_FD_") {
		s.name = ""
	}
	options := map[int]int{unix.SO_TYPE: 0, unix.SO_ACCEPTCONN: 0, unix.SO_DOMAIN: 0}
	raw, err := f.SyscallConn()
	if err != nil {
		return s, fmt.Errorf("inspect descriptor %d from systemd: %w", fd, err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		for option := range options {
			if options[option], err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option); err != nil {
				failed = err
			}
		}
	}); err != nil {
		failed = err
	}
	s.family = options[unix.SO_DOMAIN]
	switch kind := options[unix.SO_TYPE]; {
	case errors.Is(failed, unix.ENOTSOCK):
		return s, s.refused("is no socket", "say ListenStream= and nothing else that begins with Listen")
	case failed != nil:
		return s, fmt.Errorf("inspect descriptor %d from systemd: %w", fd, failed)
	case kind == unix.SOCK_DGRAM:
		return s, s.refused("is a datagram socket", "say ListenStream= in place of ListenDatagram=")
	case kind == unix.SOCK_SEQPACKET:
		return s, s.refused("is a sequential packet socket", "say ListenStream= in place of ListenSequentialPacket=")
	case kind != unix.SOCK_STREAM || s.family != unix.AF_UNIX && s.family != unix.AF_INET && s.family != unix.AF_INET6:
		return s, s.refused("is neither a TCP nor a unix socket", "say ListenStream= with a port, an address and port, or a path")
	case options[unix.SO_ACCEPTCONN] == 0:
		return s, s.refused("is a connection, or doesn't listen", "say Accept=no, which is the default")
	}
	return s, nil
}

func (s socket) refused(found, want string) error {
	return &SocketError{Name: s.name, FD: s.fd, Found: found, Want: want}
}

// listen makes a listener of f and puts it into found, under what it is for.
func (s socket) listen(f *os.File, alone bool, found map[string]net.Listener) error {
	use, err := s.use(alone)
	if err != nil {
		return err
	}
	if found[use] != nil {
		return s.refused(fmt.Sprintf("is the second one for %s", use),
			"have one ListenStream= and, unless it is dropped, another FileDescriptorName=: there is one http and one control")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("listen on descriptor %d from systemd: %w", s.fd, err)
	}
	found[use] = l
	return nil
}

// use says what the socket is for. alone says that no other was passed.
func (s socket) use(alone bool) (string, error) {
	switch {
	case s.name == forHTTP:
		return forHTTP, nil
	case s.name == forControl && s.family != unix.AF_UNIX:
		// Over TCP nobody could tell which user asks.
		return "", s.refused("is a TCP socket", "say ListenStream= with a path, such as /run/sohost/control.sock")
	case s.name == forControl:
		return forControl, nil
	// Where FileDescriptorName= isn't set, systemd gives the name of the socket unit.
	case s.name != "" && !strings.HasSuffix(s.name, ".socket"):
		return "", s.refused("has a name that isn't known", "say FileDescriptorName=http or FileDescriptorName=control")
	case alone || s.family != unix.AF_UNIX:
		return forHTTP, nil
	}
	return forControl, nil
}
