package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ptyProgram is a program that runs on a terminal of its own.
type ptyProgram struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	gone chan struct{} // closed when the terminal has been read to its end

	mu      sync.Mutex // guards what follows
	printed bytes.Buffer
	more    chan struct{} // closed when there is more, and replaced
}

// onTerminal starts the program on a terminal of that size. It is killed when the test ends.
func onTerminal(t *testing.T, columns, lines uint16, name string, args ...string) *ptyProgram {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	p := &ptyProgram{t: t, pty: pty, gone: make(chan struct{}), more: make(chan struct{})}
	p.resize(columns, lines)
	p.cmd = exec.Command(name, args...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, tty
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "COLUMNS=", "NO_COLOR=")
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		<-p.gone
		pty.Close()
	})
	return p
}

// resize gives the terminal another size, of which the kernel tells the program.
func (p *ptyProgram) resize(columns, lines uint16) {
	p.t.Helper()
	if err := unix.IoctlSetWinsize(int(p.pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *ptyProgram) read() {
	defer close(p.gone)
	b := make([]byte, 4096)
	for {
		n, err := p.pty.Read(b)
		p.mu.Lock()
		p.printed.Write(b[:n])
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return // EIO: nobody has the terminal open any more
		}
	}
}

// await waits until what was printed since the last await matches, and returns it up to there.
func (p *ptyProgram) await(expr string) string {
	p.t.Helper()
	want, limit := regexp.MustCompile(expr), time.After(patience)
	for {
		p.mu.Lock()
		more := p.more
		if at := want.FindIndex(p.printed.Bytes()); at != nil {
			text := string(p.printed.Next(at[1]))
			p.mu.Unlock()
			return text
		}
		text := p.printed.String()
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.gone:
			p.t.Fatalf("%v ended without %s: %q", p.cmd, expr, text)
		case <-limit:
			p.t.Fatalf("%v doesn't print %s, but %q", p.cmd, expr, text)
		}
	}
}

// end sends the program a signal and waits for its end, which must be a success. It returns what was printed since the last await.
func (p *ptyProgram) end(s os.Signal) string {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	<-p.gone
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%v: %v", p.cmd, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.printed.String()
}
