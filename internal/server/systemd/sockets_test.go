package systemd

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSockets passes real sockets to a child as systemd does, and connects to the child's listeners.
func TestSockets(t *testing.T) {
	tests := []struct {
		name  string
		pass  string // the kinds of socket, as pass makes them
		names string // LISTEN_FDNAMES; "-" leaves it out
		pid   string // LISTEN_PID, where it isn't the child's

		http, control string // the kind that each got
		other         string
		refused       []string
	}{
		{name: "names", pass: "tcp unix", names: "http:control", http: "tcp", control: "unix"},
		{name: "names in another order", pass: "unix tcp", names: "control:http", http: "tcp", control: "unix"},
		{name: "http over a unix socket", pass: "unix", names: "http", http: "unix"},
		{name: "control alone", pass: "unix", names: "control", control: "unix"},
		{name: "no names", pass: "unix tcp", names: "-", http: "tcp", control: "unix"},
		{name: "the unit's name", pass: "tcp unix", names: "sohost.socket:sohost.socket", http: "tcp", control: "unix"},
		{name: "one without a name", pass: "unix", names: "sohost.socket", http: "unix"},
		{name: "one of two named", pass: "tcp unix", names: "http:sohost-control.socket", http: "tcp", control: "unix"},
		{name: "an abstract control socket", pass: "tcp abstract", names: "http:control", http: "tcp", control: "abstract"},
		{name: "for another process", pass: "tcp", names: "http", pid: "1"},
		{name: "another listener", pass: "tcp unix", names: "http:other", http: "tcp", other: "unix"},
		{name: "another listener alone", pass: "tcp", names: "other", other: "tcp"},
		{name: "none", names: "-"},

		{name: "datagrams", pass: "udp", names: "http",
			refused: []string{`socket "http" from systemd (descriptor 3) is a datagram socket: its socket unit should say ListenStream= instead of ListenDatagram=`}},
		{name: "packets", pass: "unixpacket", names: "control",
			refused: []string{`"control" from systemd (descriptor 3) is a sequential packet socket: its socket unit should say ListenStream=`}},
		{name: "Accept=yes", pass: "connection", names: "connection",
			refused: []string{`"connection" from systemd (descriptor 3) is a connection, or isn't listening: its socket unit should say Accept=no`}},
		{name: "a pipe", pass: "pipe", names: "http",
			refused: []string{`is not a socket: its socket unit should say ListenStream=`}},
		{name: "netlink", pass: "netlink", names: "http",
			refused: []string{`is neither a TCP nor a unix socket: its socket unit should say ListenStream=`}},
		{name: "an unknown name", pass: "tcp unix", names: "web:control",
			refused: []string{`"web" from systemd (descriptor 3) has an unknown name: its socket unit should say FileDescriptorName=http, FileDescriptorName=control, or the name of a [listener.NAME]`}},
		{name: "two of one name", pass: "tcp tcp", names: "http:http",
			refused: []string{`"http" from systemd (descriptor 4) is the second one for http: its socket unit should have only one ListenStream=`}},
		{name: "two of another name", pass: "tcp unix", names: "other:other",
			refused: []string{`"other" from systemd (descriptor 4) is the second one for other: its socket unit should have only one ListenStream=`}},
		{name: "two without names", pass: "tcp tcp", names: "-",
			refused: []string{`socket without a name from systemd (descriptor 4) is the second one for http`}},
		{name: "control over TCP", pass: "tcp", names: "control",
			refused: []string{`"control" from systemd (descriptor 3) is a TCP socket: its socket unit should say ListenStream= with a path`}},
		{name: "every reason at once", pass: "udp unix tcp", names: "http:web:control",
			refused: []string{"(descriptor 3) is a datagram socket", "(descriptor 4) has an unknown name", "(descriptor 5) is a TCP socket"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kinds := strings.Fields(test.pass)
			env := []string{"LISTEN_FDS=" + strconv.Itoa(len(kinds))}
			if test.names != "-" {
				env = append(env, "LISTEN_FDNAMES="+test.names)
			}
			if test.pid != "" {
				env = append(env, "PID="+test.pid)
			}
			cmd := wrapper(t, "LISTEN_PID", "sockets", env...)
			addrs := map[string]net.Addr{}
			for _, kind := range kinds {
				f, addr := pass(t, kind)
				cmd.ExtraFiles = append(cmd.ExtraFiles, f)
				addrs[kind] = addr
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}()
			var got report
			if err := json.NewDecoder(stdout).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if len(got.Errors) != len(test.refused) || got.Unusable != len(test.refused) {
				t.Errorf("errors %q, %d of them a SocketError; want %q", got.Errors, got.Unusable, test.refused)
			}
			for i, want := range test.refused {
				if i < len(got.Errors) && !strings.Contains(got.Errors[i], want) {
					t.Errorf("error %q; want %q", got.Errors[i], want)
				}
			}
			// A socket for another process isn't ours to close.
			if got.Inherited != "" && test.pid == "" {
				t.Errorf("a child of the server sees\n%s", got.Inherited)
			}
			if strings.Contains(got.Inherited, "LISTEN_") {
				t.Errorf("a child of the server has %s", got.Inherited)
			}
			// The child takes them in either order, and waits in each.
			for _, s := range []struct{ use, kind, got string }{
				{ForHTTP, test.http, got.HTTP}, {ForControl, test.control, got.Control}, {"other", test.other, got.Other},
			} {
				want := ""
				if s.kind != "" {
					want = addrs[s.kind].Network() + " " + addrs[s.kind].String()
				}
				if s.got != want {
					t.Errorf("%s is %q, want %q", s.use, s.got, want)
				}
				if s.got != "" {
					defer expect(t, s.got, s.use)()
				}
			}
		})
	}
}

// expect connects to an address and returns a function that waits for the answer.
func expect(t *testing.T, address, want string) func() {
	network, addr, _ := strings.Cut(address, " ")
	c, err := net.DialTimeout(network, addr, limit)
	if err != nil {
		t.Error(err)
		return func() {}
	}
	return func() {
		defer c.Close()
		c.SetDeadline(time.Now().Add(limit))
		if data, err := io.ReadAll(c); err != nil || string(data) != want {
			t.Errorf("%s answers %q, %v; want %q", address, data, err, want)
		}
	}
}

// pass makes a socket of a kind and returns it as a file for a child. This process keeps no copy open beyond the test.
func pass(t *testing.T, kind string) (*os.File, net.Addr) {
	t.Helper()
	file := func(c interface{ File() (*os.File, error) }, addr net.Addr) (*os.File, net.Addr) {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f, addr
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	switch kind {
	case "tcp", "connection":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		defer l.Close()
		if kind == "tcp" {
			return file(l.(*net.TCPListener), l.Addr())
		}
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		defer c.Close()
		return file(c.(*net.TCPConn), c.LocalAddr())
	case "unix", "abstract", "unixpacket":
		network := "unix"
		if kind == "abstract" {
			path = "@sohost-test-" + strconv.Itoa(os.Getpid()) + "-" + strings.ReplaceAll(t.Name(), "/", "-")
		}
		if kind == "unixpacket" {
			network = kind
		}
		l, err := net.Listen(network, path)
		check(err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		defer l.Close()
		return file(l.(*net.UnixListener), l.Addr())
	case "udp":
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		check(err)
		defer c.Close()
		return file(c, c.LocalAddr())
	case "netlink":
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		check(err)
		f := os.NewFile(uintptr(fd), kind)
		t.Cleanup(func() { f.Close() })
		return f, nil
	default:
		r, w, err := os.Pipe()
		check(err)
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, nil
	}
}

// TestSocketsLeavesFiles closes a listener on a unix socket: its file must stay, as it belongs to systemd.
func TestSocketsLeavesFiles(t *testing.T) {
	f, addr := pass(t, "unix")
	cmd := wrapper(t, "LISTEN_PID", "sockets", "LISTEN_FDS=1", "LISTEN_FDNAMES=control")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect(t, "unix "+addr.String(), ForControl)()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(addr.String()); err != nil {
		t.Error(err)
	}
}

func TestSocketErrorMatches(t *testing.T) {
	err := error(&SocketError{})
	if !errors.Is(err, ErrUnusable) || errors.Is(err, os.ErrClosed) {
		t.Errorf("%v is ErrUnusable: %t, is os.ErrClosed: %t", err, errors.Is(err, ErrUnusable), errors.Is(err, os.ErrClosed))
	}
}

// TestTooManySockets has a number of sockets that can't be meant.
func TestTooManySockets(t *testing.T) {
	for name, value := range map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": "2000000000", "LISTEN_FDNAMES": "http"} {
		t.Setenv(name, value)
	}
	if _, err := Sockets(); err == nil || !strings.Contains(err.Error(), "LISTEN_FDS=2000000000") {
		t.Errorf("the sockets are %v", err)
	}
	if _, has := os.LookupEnv("LISTEN_FDS"); has {
		t.Error("children inherit the number")
	}
}

// TestSocketsThatAreNot says that more sockets were passed than there are. What is open under those numbers is the process's own,
// such as the file with which its runtime waits for all others, and goes on to work.
func TestSocketsThatAreNot(t *testing.T) {
	f, _ := pass(t, "tcp")
	cmd := wrapper(t, "LISTEN_PID", "sockets", "LISTEN_FDS=40", "LISTEN_FDNAMES=http")
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.Output()
	var got report
	if err := errors.Join(err, json.Unmarshal(out, &got)); err != nil {
		t.Fatal(err)
	}
	if len(got.Errors) != 39 || got.HTTP != "" || !strings.Contains(got.Errors[38], "descriptor 42 from systemd is not open") {
		t.Errorf("http is %q, and the errors are %q", got.HTTP, got.Errors)
	}
}
