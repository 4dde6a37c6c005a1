package main

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait for something that must happen. Only a hang reaches it.
const patience = 3 * time.Minute

type backgroundsKey struct{}

// backgrounds are the programs that a script has started, by name.
type backgrounds struct{ byName map[string]*background }

// background is a program that runs while its script goes on.
type background struct {
	cmd    *exec.Cmd
	lines  chan string // what it prints; closed when it has ended
	exited chan struct{}

	mu  sync.Mutex // guards all
	all strings.Builder
}

func backgroundsOf(ts *testscript.TestScript) *backgrounds {
	return ts.Value(backgroundsKey{}).(*backgrounds)
}

func (b *backgrounds) get(ts *testscript.TestScript, name string) *background {
	p := b.byName[name]
	if p == nil {
		ts.Fatalf("nothing called %s was started", name)
	}
	return p
}

// kill ends the programs that still run.
func (b *backgrounds) kill() {
	for _, p := range b.byName {
		p.cmd.Process.Kill()
		<-p.exited
	}
}

func cmdBackground(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "background NAME PROGRAM [ARGUMENT...]", 2)
	path := args[1]
	if path == "sohost" {
		path = sohostFile
	}
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "XDG_STATE_HOME", "SOHOST_CONTROL", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL",
	} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = w, w, patience
	ts.Check(cmd.Start())
	p := &background{cmd: cmd, lines: make(chan string, 10_000), exited: make(chan struct{})}
	go func() {
		cmd.Wait()
		w.Close()
	}()
	go func() {
		defer close(p.exited)
		defer close(p.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.all.WriteString(s.Text() + "\n")
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	}()
	backgroundsOf(ts).byName[args[0]] = p
	ts.Logf("[background] %s %s", filepath.Base(path), strings.Join(args[2:], " "))
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "await NAME REGEXP", 2)
	p := backgroundsOf(ts).get(ts, args[0])
	want := regexp.MustCompile(args[1])
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				ts.Fatalf("%s ended without a line that matches %s:\n%s", args[0], args[1], p.printed())
			}
			if m := want.FindStringSubmatch(line); m != nil {
				if len(m) > 1 {
					ts.Setenv(args[0], m[1])
				}
				return
			}
		case <-timeout:
			ts.Fatalf("%s has no line that matches %s:\n%s", args[0], args[1], p.printed())
		}
	}
}

func cmdTerminate(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "terminate NAME", 1)
	p := backgroundsOf(ts).get(ts, args[0])
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(patience):
		ts.Fatalf("%s doesn't end:\n%s", args[0], p.printed())
	}
	ts.Stdout().Write([]byte(p.printed()))
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("%s exits with %d:\n%s", args[0], code, p.printed())
	}
}

func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "hangup NAME", 1)
	ts.Check(backgroundsOf(ts).get(ts, args[0]).cmd.Process.Signal(syscall.SIGHUP))
}

func (p *background) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}
