package files

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOf counts the files of this process and of a child.
func TestOf(t *testing.T) {
	before := Of(0)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if after := Of(0); after.Open != before.Open+1 || after.Limit < after.Open {
		t.Errorf("before %+v, with one more %+v", before, after)
	}
	f.Close()
	cmd := exec.Command("sh", "-c", "ulimit -n 40; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Write([]byte("x"))
	out.Read(make([]byte, 1))                                                 // now it is cat
	if u := Of(cmd.Process.Pid); u.Open < 3 || u.Open > 20 || u.Limit != 40 { // some may be inherited
		t.Errorf("the child has %+v", u)
	}
	in.Close()
	cmd.Wait()
	if u := Of(cmd.Process.Pid); u != (Usage{}) {
		t.Errorf("nobody has %+v", u)
	}
}

// limit lets this process open so many files until restore is called.
func limit(t *testing.T, n int) (restore func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	less := was
	less.Cur = uint64(n)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	return func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }
}

// TestReserve takes all files, and gets back what was held.
func TestReserve(t *testing.T) {
	defer limit(t, Of(0).Open+40)()
	var r Reserve
	r.Hold()
	n := len(r.held)
	if want := reserve(Of(0).Limit); n != want {
		t.Errorf("%d files are held, want %d", n, want)
	}
	take := func() (all []*os.File) {
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return all
			}
			all = append(all, f)
		}
	}
	taken := take()
	r.Release()
	again := take()
	if len(again) != n {
		t.Errorf("%d files can be opened, want %d", len(again), n)
	}
	r.Hold() // none is left to hold
	for _, f := range append(taken, again...) {
		f.Close()
	}
	r.Hold()
	if len(r.held) != n {
		t.Errorf("%d files are held again, want %d", len(r.held), n)
	}
	r.Release()
}

// TestListener connects more clients than there is room for. Those that fit are accepted, some files stay free, and the others are
// accepted as the first leave. A listener that waits for room can be closed.
func TestListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const clients = 30
	for range clients {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	most := Of(0).Open + 20
	restore := limit(t, most)
	defer restore()
	l := Listener(inner, 1)
	accepted := make(chan net.Conn, clients)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	var got []net.Conn
	for full := false; !full; {
		select {
		case c := <-accepted:
			got = append(got, c)
		case <-time.After(10 * look): // it may only be late
			full = len(got) > 0
		}
	}
	if u := Of(0); len(got) == clients || u.Open > most-5 {
		t.Errorf("%d clients are accepted, and %d of %d files open", len(got), u.Open, most)
	}
	for range clients - len(got) {
		got[0].Close()
		got = append(got[1:], <-accepted)
	}
	l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ends with %v", err)
	}
	for _, c := range got {
		c.Close()
	}
}

// TestRoom serves copies of files until there is no room for more. What is more urgent has more room, and something is always left.
func TestRoom(t *testing.T) {
	most := Of(0).Open + 64
	r := NewRoom()
	defer limit(t, most)()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	left := most
	for _, share := range []Share{Clients, Requests, Sockets} {
		for r.Has(f, share) {
			fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
		}
		now := most - Of(0).Open
		if now >= left || now < 2 {
			t.Errorf("share %d leaves %d files free, the one before %d", share, now, left)
		}
		left = now
	}
}
