// Package program runs servers beside a script or a benchmark: it starts them, waits until they serve, and ends them.
package program

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a program may take to serve, and to end once it is asked to.
var patience = time.Minute

// Program is a server that runs.
type Program struct {
	URL string // where it serves, without a path
	PID int

	stop  context.CancelFunc
	ended chan struct{} // closed when the program has ended
	how   error         // as Wait has it; valid then
}

// Start starts a program with more variables in its environment, and passes the lines of its standard error to says, until the program ends.
// It waits until says returns a URL. The error says that the program can't be started, ends before, or says nothing for a minute; then it
// doesn't run any more.
func Start(says func(line string) (url string), env []string, name string, args ...string) (*Program, error) {
	ctx, stop := context.WithCancel(context.Background())
	p := &Program{stop: stop, ended: make(chan struct{})}
	serves := make(chan string, 1)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // what a script has started in the background ignores SIGINT
	cmd.WaitDelay = patience
	cmd.Stderr = &lines{each: func(line string) {
		if url := says(line); url != "" {
			select {
			case serves <- url:
			default: // it was said before
			}
		}
	}}
	if err := cmd.Start(); err != nil {
		stop()
		return nil, err
	}
	p.PID = cmd.Process.Pid
	go func() {
		p.how = cmd.Wait()
		close(p.ended)
	}()
	name = filepath.Base(name)
	select {
	case p.URL = <-serves:
		return p, nil
	case <-p.ended:
		stop()
		return nil, fmt.Errorf("%s ended before it served: %v", name, cmd.ProcessState)
	case <-time.After(patience):
		p.Stop()
		return nil, fmt.Errorf("%s didn't serve within %v", name, patience)
	}
}

// Stop asks the program to end, and waits for that. One that hasn't within a minute is killed.
func (p *Program) Stop() {
	p.stop()
	<-p.ended
}

// lines is a writer that passes on each line, without its end.
type lines struct {
	each func(line string)
	rest []byte // of a line that isn't complete
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.rest = append(l.rest, p...)
			return n, nil
		}
		l.each(string(append(l.rest, p[:end]...)))
		l.rest, p = l.rest[:0], p[end+1:]
	}
}
