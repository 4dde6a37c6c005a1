package conns

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// accepted returns a connection of a new set, and its other end.
func accepted(t *testing.T) (*conn, *client) {
	t.Helper()
	l := listen(t, "tcp")
	set := NewSet(0)
	own := set.Listener(l)
	t.Cleanup(func() { own.Close() })
	c := dial(t, l.Addr())
	nc, err := own.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc.(*conn), c
}

// TestCloseWrite ends what the server sends. What the client sends still arrives.
func TestCloseWrite(t *testing.T) {
	nc, c := accepted(t)
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
	c.send("still")
	got := make([]byte, len("still"))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != "still" {
		t.Errorf("read %q, %v", got, err)
	}

	near, far := net.Pipe()
	defer near.Close()
	pipe := NewSet(0).add(far, netip.Prefix{}, false)
	defer pipe.Close()
	if err := pipe.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a pipe: %v, want %v", err, errors.ErrUnsupported)
	}
}

// TestSetDeadline sets both deadlines, as handlers do that have hijacked a connection.
func TestSetDeadline(t *testing.T) {
	nc, _ := accepted(t)
	if err := nc.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if _, err := nc.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	nc.Close()
	if err := nc.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestNoMoreFiles moves at the limit of open files: the connection stays, and moves when there is room again.
func TestNoMoreFiles(t *testing.T) {
	giver, taker, addr := pair(t, echo)
	c := dial(t, addr)
	own := only(t, giver.set, initial)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 3 // the standard files take these up; what is open stays open
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := own.file()
	giver.set.Move(func(*os.File) error {
		t.Error("pass was called without a file")
		return nil
	})
	c.send(post("hello"))
	c.expect("POST", "giver", "hello")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("got %v, want %v", err, unix.EMFILE)
	}
	giver.set.Move(taker.to())
	giver.wait(t)
	c.send(post("hello"))
	c.expect("POST", "taker", "hello")
}
