package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/self"
)

const (
	// rehearsalEnv says that a program has only to show that it can take over.
	rehearsalEnv = "SOHOST_REHEARSAL"

	// rehearsed is what it prints then.
	rehearsed = "sohost: this program can take over"

	// rehearsalTimeout bounds a rehearsal.
	rehearsalTimeout = 10 * time.Second
)

// ErrRehearsal is returned by Inherit when this process is only a rehearsal.
var ErrRehearsal = errors.New("this is only a rehearsal")

// rehearse has a child process do what the program will do first in this process: understand its command line and read what is left
// to it, and with reads the configuration as well. Once it is executed here there is no way back.
func (s *Supervisor) rehearse(stopped context.Context, program *program, reads bool) error {
	l := s.legacy()
	l.Reads = reads
	will, err := l.write()
	if err != nil {
		return err
	}
	defer will.Close()
	ctx, cancel := context.WithTimeout(stopped, rehearsalTimeout)
	defer cancel()
	cmd := self.Command(ctx, program.executable(), os.Args[1:]...)
	cmd.Env = append(os.Environ(), resumeEnv+"=3", rehearsalEnv+"=1")
	cmd.ExtraFiles = append(cmd.ExtraFiles, will) // the first of them is number 3
	cmd.WaitDelay = time.Second
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	err = s.children.start(cmd)
	if err == nil {
		err = cmd.Wait()
		s.children.forget(cmd.Process.Pid)
	}
	if stop := context.Cause(stopped); stop != nil {
		return stop
	}
	switch text := strings.TrimSpace(output.String()); {
	case err != nil:
		return fmt.Errorf("it can't take over from this one: %w: %s", err, text)
	case !strings.Contains(text, rehearsed):
		return fmt.Errorf("it doesn't say that it can take over from this one, but: %s", text)
	}
	return nil
}
