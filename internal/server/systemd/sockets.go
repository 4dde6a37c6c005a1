package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFD is the number of the first descriptor that systemd passes.
const firstFD = 3

// maxFiles is how many descriptors systemd may pass.
const maxFiles = 100

// What a socket is for, unless it is another listener. These are also the names to give it with FileDescriptorName=.
const (
	ForHTTP    = "http"
	ForControl = "control"
)

// Sockets returns the listening sockets that systemd passed to this process, by what they are for: ForHTTP, ForControl, or one of the
// other names. Without socket activation, or if the sockets were meant for another process, there are none.
//
// FileDescriptorName identifies a socket by that. A socket without a name is for HTTP if it is a TCP socket or
// the only socket; otherwise it is a unix socket and for control.
//
// Sockets doesn't block. After an error it has closed every socket that systemd passed. An unusable socket's error matches
// ErrUnusable; the error lists all of them, and what their units should say. In any case LISTEN_PID, LISTEN_FDS and
// LISTEN_FDNAMES are removed from the environment and no child inherits the sockets, so a second call returns nothing.
// Don't start child processes while Sockets runs.
//
// Closing a listener leaves the file of a unix socket in place: it belongs to systemd.
func Sockets(others ...string) (map[string]net.Listener, error) {
	names, err := passed(os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), os.Getpid())
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if err != nil {
		return nil, err
	}
	found := map[string]net.Listener{}
	var errs []error
	for i, name := range names {
		unix.CloseOnExec(firstFD + i)
		s, err := inspect(firstFD+i, name)
		if s.family == 0 { // no socket, and if it isn't from systemd after all, it is the runtime's: it stays open
			errs = append(errs, err)
			continue
		}
		f := os.NewFile(uintptr(s.fd), name)
		if err == nil {
			err = s.listen(f, len(names) == 1, others, found)
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
		return nil, err
	}
	return found, nil
}

// passed returns the names of the descriptors that were passed, "" for one without, by the values of LISTEN_PID, LISTEN_FDS and
// LISTEN_FDNAMES.
func passed(pid, fds, names string, self int) ([]string, error) {
	if to, err := strconv.Atoi(pid); err != nil || to != self {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS is %.40q, and should be how many sockets were passed", fds)
	}
	if n > maxFiles { // each is believed to be open
		return nil, fmt.Errorf("LISTEN_FDS=%d: more sockets than anybody passes; at most %d are expected", n, maxFiles)
	}
	named := make([]string, n)
	copy(named, strings.Split(names, ":"))
	return named, nil
}

// socket describes a listening stream socket.
type socket struct {
	name   string
	fd     int // its number when systemd passed it
	family int // AF_UNIX, AF_INET or AF_INET6
}

// inspect asks the kernel what a descriptor is. It returns an error unless that is a listening stream socket, and leaves the
// family zero if it is no socket at all.
func inspect(fd int, name string) (socket, error) {
	s := socket{name: name, fd: fd}
	options := map[int]int{unix.SO_TYPE: 0, unix.SO_ACCEPTCONN: 0, unix.SO_DOMAIN: 0}
	var failed error
	for option := range options {
		var err error
		if options[option], err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option); err != nil {
			failed = err
		}
	}
	s.family = options[unix.SO_DOMAIN]
	switch kind := options[unix.SO_TYPE]; {
	case errors.Is(failed, unix.ENOTSOCK):
		return s, s.refused("is not a socket", "say ListenStream= and have no other setting that begins with Listen")
	case errors.Is(failed, unix.EBADF):
		return s, fmt.Errorf("descriptor %d from systemd is not open: LISTEN_FDS counts more sockets than were passed", fd)
	case failed != nil:
		return s, fmt.Errorf("inspect descriptor %d from systemd: %w", fd, failed)
	case kind == unix.SOCK_DGRAM:
		return s, s.refused("is a datagram socket", "say ListenStream= instead of ListenDatagram=")
	case kind == unix.SOCK_SEQPACKET:
		return s, s.refused("is a sequential packet socket", "say ListenStream= instead of ListenSequentialPacket=")
	case kind != unix.SOCK_STREAM || s.family != unix.AF_UNIX && s.family != unix.AF_INET && s.family != unix.AF_INET6:
		return s, s.refused("is neither a TCP nor a unix socket", "say ListenStream= with a port, an address and port, or a path")
	case options[unix.SO_ACCEPTCONN] == 0:
		return s, s.refused("is a connection, or isn't listening", "say Accept=no, which is the default")
	}
	return s, nil
}

func (s socket) refused(found, want string) error {
	return &SocketError{Name: s.name, FD: s.fd, Found: found, Want: want}
}

// listen adds a listener on f to found, under what the socket is for.
func (s socket) listen(f *os.File, alone bool, others []string, found map[string]net.Listener) error {
	use, err := s.use(alone, others)
	if err != nil {
		return err
	}
	if found[use] != nil {
		return s.refused(fmt.Sprintf("is the second one for %s", use),
			"have only one ListenStream=, or another FileDescriptorName=: there is one socket of each name")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("listen on descriptor %d from systemd: %w", s.fd, err)
	}
	found[use] = l
	return nil
}

// use returns what the socket is for. alone reports that no other socket was passed; others are the names of further listeners.
func (s socket) use(alone bool, others []string) (string, error) {
	switch {
	case s.name != "" && slices.Contains(others, s.name):
		return s.name, nil
	case s.name == ForHTTP:
		return ForHTTP, nil
	case s.name == ForControl && s.family != unix.AF_UNIX:
		// Over TCP the server couldn't see which user is asking.
		return "", s.refused("is a TCP socket", "say ListenStream= with a path, such as /run/sohost/control.sock")
	case s.name == ForControl:
		return ForControl, nil
	// Without FileDescriptorName= systemd uses the name of the socket unit.
	case s.name != "" && !strings.HasSuffix(s.name, ".socket"):
		return "", s.refused("has an unknown name", "say FileDescriptorName=http, FileDescriptorName=control, or the name of a [listener.NAME] of the configuration")
	case alone || s.family != unix.AF_UNIX:
		return ForHTTP, nil
	}
	return ForControl, nil
}
