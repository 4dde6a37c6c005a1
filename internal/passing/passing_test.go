package passing_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sohost/sohost/internal/passing"
	"golang.org/x/sys/unix"
)

type message struct {
	Number int
	Text   string
}

func pair(t *testing.T) (a, b *passing.Conn) {
	t.Helper()
	x, y, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	var conns []*passing.Conn
	for _, end := range []*os.File{x, y} {
		c, err := passing.New(end)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return conns[0], conns[1]
}

// TestMessages sends from several goroutines, each message with as many files as its number says, and every file with its
// message's text. Large messages don't fit into the socket's buffer.
func TestMessages(t *testing.T) {
	a, b := pair(t)
	const senders, each = 4, 50
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d-%d", s, i)
				var files []*os.File
				for range i % 4 {
					r, w, err := os.Pipe()
					if err != nil {
						t.Error(err)
						return
					}
					w.WriteString(text)
					w.Close()
					files = append(files, r)
				}
				if i%10 == 9 {
					text += strings.Repeat("-", 256<<10)
				}
				if err := a.Send(message{i, text}, files...); err != nil {
					t.Error(err)
				}
				passing.Close(files)
			}
		})
	}
	for range senders * each {
		var m message
		files, err := b.Receive(&m)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != m.Number%4 {
			t.Errorf("message %d has %d files", m.Number, len(files))
		}
		for _, f := range files {
			content, err := io.ReadAll(f)
			if err != nil || string(content) != strings.TrimRight(m.Text, "-") {
				t.Errorf("a file of %.20s holds %q, %v", m.Text, content, err)
			}
			if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("a passed file has the flags %b, %v: children would get it", flags, err)
			}
		}
		passing.Close(files)
	}
	sending.Wait()
}

// TestGone looks at both sides of an end that was closed, with a message still on its way.
func TestGone(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(message{Number: 1}); err != nil {
		t.Fatal(err)
	}
	a.Close()
	var m message
	if _, err := b.Receive(&m); err != nil || m.Number != 1 {
		t.Errorf("what was sent before the close: %v, %v", m, err)
	}
	if _, err := b.Receive(&m); err != io.EOF {
		t.Errorf("after it: %v", err)
	}
	if err := b.Send(m); !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("Send to nobody: %v", err)
	}
}

// TestClose ends a Receive that waits.
func TestClose(t *testing.T) {
	a, _ := pair(t)
	done := make(chan error)
	go func() {
		_, err := a.Receive(new(message))
		done <- err
	}()
	a.Close()
	if err := <-done; err != io.EOF {
		t.Errorf("Receive: %v", err)
	}
}

// TestRefusals: what can't be sent changes nothing, and what isn't a message is no message.
func TestRefusals(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(make(chan int)); err == nil {
		t.Error("a channel was sent")
	}
	if err := a.Send(strings.Repeat("x", passing.MaxMessage)); err == nil {
		t.Error("a message over the limit was sent")
	}
	if err := a.Send("text"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(new(message)); err == nil || err == io.EOF {
		t.Errorf("text as a message: %v", err)
	}
	if err := a.Send(message{Number: 2}); err != nil {
		t.Fatal(err)
	}
	var m message
	if _, err := b.Receive(&m); err != nil || m.Number != 2 {
		t.Errorf("after that: %v, %v", m, err)
	}

	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passing.New(file); err == nil {
		t.Error("a device is taken for a socket")
	}
}

// TestFilesLost receives files in a process that may open no more. The message says so, and those that follow arrive.
func TestFilesLost(t *testing.T) {
	a, b := pair(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	f, err := passing.MemoryFile("x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if err := a.Send("one", f, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Send("two"); err != nil {
		t.Fatal(err)
	}
	next, err := passing.MemoryFile("next") // has the lowest number that is free
	if err != nil {
		t.Fatal(err)
	}
	free := next.Fd()
	next.Close()
	// With room for one file, and then for none.
	for room := range 2 {
		least := limit
		least.Cur = uint64(free) + 1 - uint64(room)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &least); err != nil {
			t.Fatal(err)
		}
		var text string
		files, err := b.Receive(&text)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, passing.ErrFilesLost) || text != "one" || len(files) > 0 {
			t.Errorf("received %q with %d files, %v", text, len(files), err)
		}
	}
	var text string
	if _, err := b.Receive(&text); err != nil || text != "two" {
		t.Errorf("then received %q, %v", text, err)
	}
	if again, err := passing.MemoryFile("again"); err != nil || again.Fd() != free {
		t.Errorf("a file stays open: the next has number %d, want %d, %v", again.Fd(), free, err)
	}
}

// TestPause stops a receiver between two messages, however they are cut: what was sent comes to who continues at the end.
func TestPause(t *testing.T) {
	a, b := pair(t)
	const messages = 2000
	go func() {
		for i := range messages {
			if err := a.Send(message{Number: i, Text: strings.Repeat("x", i%3000)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for next := 0; next < messages; {
		done := make(chan int)
		go func() {
			for n := 0; ; n++ {
				var m message
				if _, err := b.Receive(&m); err != nil {
					if err != passing.ErrPaused {
						t.Error(err)
					}
					done <- n
					return
				}
				if m.Number != next+n {
					t.Errorf("message %d comes as number %d", m.Number, next+n)
				}
				if m.Number == messages-1 {
					done <- n + 1
					return
				}
			}
		}()
		b.Pause()
		received := <-done
		next += received
		end, err := b.File()
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if b, err = passing.New(end); err != nil {
			t.Fatal(err)
		}
		if received == 0 { // the pause was faster than the receiver, as it may always be on one processor
			var m message
			if _, err := b.Receive(&m); err != nil || m.Number != next {
				t.Fatalf("%v, %v", m, err)
			}
			next++
		}
	}
	b.Close()
}
