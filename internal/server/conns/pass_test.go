package conns

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

var errRefused = errors.New("refused")

// TestPassFails makes passes fail: each time the connection must be served as before, until a pass succeeds.
func TestPassFails(t *testing.T) {
	giver, taker, addr := pair(t, echo)
	c := dial(t, addr)
	only(t, giver.set, initial)
	passed := make(chan bool)
	giver.set.Move(func(*os.File) error {
		passed <- true
		return errRefused
	})
	for range 3 {
		<-passed
		c.send(post("hello"))
		c.expect("POST", "giver", "hello")
	}
	<-passed
	giver.set.Move(taker.to()) // tries the idle connection again
	giver.wait(t)
	c.send(post("hello"))
	c.expect("POST", "taker", "hello")
}

// TestPassFailsDeadline makes a pass fail while the server's deadline runs: the connection must end at that deadline.
func TestPassFailsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(&net.UnixAddr{Name: "pipe"})
		giver := start(t, "giver", options{
			listen: []net.Listener{struct{ net.Listener }{q}},
			adjust: func(s *http.Server) { s.IdleTimeout = short },
		})
		c := push(t, q)
		c.send(get("/"))
		c.expect("GET", "giver", "")
		begun := time.Now()
		time.Sleep(short / 2)
		giver.set.Move(func(*os.File) error { return nil }) // fails before it gets there, as a pipe has no file
		c.expectEndAfter(begun, short)
	})
}

// TestStay ends a move while connections are being passed: those for which pass has not been called stay.
func TestStay(t *testing.T) {
	const n = 3 * maxPassing
	giver, taker, addr := pair(t, echo)
	var clients []*client
	for range n {
		clients = append(clients, dial(t, addr))
	}
	eventually(t, func() bool { return giver.set.Len() == n })
	called, release := make(chan bool, n), make(chan bool)
	var calls atomic.Int64
	giver.set.Move(func(f *os.File) error {
		calls.Add(1)
		called <- true
		<-release
		return taker.to()(f)
	})
	for range maxPassing {
		<-called
	}
	eventually(t, func() bool { // the others wait for their turn
		return giver.set.count(func(c *conn) bool { return c.tried != nil }) == n
	})
	giver.set.Move(nil)
	close(release)
	eventually(t, func() bool { return giver.set.Len() == n-maxPassing })
	for _, c := range clients {
		c.send(get("/"))
		c.expect("GET", "", "")
	}
	if got := calls.Load(); got != maxPassing {
		t.Errorf("pass was called %d times, want %d", got, maxPassing)
	}
	if g, k := giver.set.Len(), taker.set.Len(); g != n-maxPassing || k != maxPassing {
		t.Errorf("the giver has %d connections and the taker %d, want %d and %d", g, k, n-maxPassing, maxPassing)
	}
}

// TestFile inspects the file that is passed.
func TestFile(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		l := listen(t, network)
		giver := start(t, "giver", options{listen: []net.Listener{l}})
		c := dial(t, l.Addr())
		files := make(chan *os.File, 1)
		giver.set.Move(func(f *os.File) error {
			fd := f.Fd()
			if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 || err != nil {
				t.Errorf("%s: flags %#x, %v: it blocks", network, flags, err)
			}
			if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
				t.Errorf("%s: flags %#x, %v: programs inherit it", network, flags, err)
			}
			files <- f
			return errRefused
		})
		f := <-files
		c.send(get("/"))
		c.expect("GET", "giver", "")
		eventually(t, func() bool { return len(files) == 1 }) // the pass after the request
		if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: the file of the pass before: %v, want it closed", network, err)
		}
	}
}

// TestHTTP2Enabled uses a server that looks for HTTP/2 first: it reads again after the connection was passed on.
func TestHTTP2Enabled(t *testing.T) {
	l := listen(t, "tcp")
	giver := start(t, "giver", options{listen: []net.Listener{l}, adjust: func(s *http.Server) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}})
	taker := start(t, "taker", options{})
	c := dial(t, l.Addr())
	only(t, giver.set, initial)
	giver.set.Move(taker.to())
	giver.wait(t)
	c.send(get("/"))
	c.expect("GET", "taker", "")
}

// TestForeign serves connections that have no open file: they work, are counted, and stay.
func TestForeign(t *testing.T) {
	q := NewQueue(&net.UnixAddr{Name: "pipe"})
	giver := start(t, "giver", options{listen: []net.Listener{struct{ net.Listener }{q}}})
	giver.set.Move(func(*os.File) error {
		t.Error("pass was called")
		return nil
	})
	c := push(t, q)
	for range 3 {
		c.send(post("hello"))
		c.expect("POST", "giver", "hello")
	}
	if got := giver.set.Len(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	c.Close()
	giver.wait(t)
}

// TestFromDisk serves a file, which net/http hands to the connection as a whole.
func TestFromDisk(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<16)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp", "unix"} {
		l := listen(t, network)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
		giver := start(t, "giver", options{listen: []net.Listener{l}, handler: handler})
		taker := start(t, "taker", options{handler: handler})
		c := dial(t, l.Addr())
		c.send(get("/"))
		c.expect("GET", "giver", content)
		giver.set.Move(taker.to())
		giver.wait(t)
		c.send(get("/"))
		c.expect("GET", "taker", content)
	}
}
