package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/regular"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/server/control"
)

// program is an executable for workers, and later for the supervisor. It is held open: what is run again after a crash, and what
// the supervisor becomes, is what was tried, whatever has happened to the path since.
type program struct {
	path string
	sum  string // SHA-256, in hexadecimal
	file *os.File

	notSupervisor string // see control.ProgramStatus; Run's goroutine has it
}

// openProgram opens a program. It returns nil for the one that this process runs, which needs neither a probation nor an upgrade.
// It takes as long as it takes to read the file, or until ctx ends. A file that can't be a server is refused, and nothing of it runs.
func openProgram(ctx context.Context, path string) (*program, error) {
	f, err := regular.Open(path)
	if errors.Is(err, regular.ErrNot) {
		return nil, fmt.Errorf("program: %w; name a program with --binary that is a sohost", err)
	}
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	if own, err := os.Stat(self.Executable); err == nil {
		if info, err := f.Stat(); err == nil && os.SameFile(own, info) {
			return nil, f.Close()
		}
	}
	if err := isServer(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("program: %s is no sohost, nor does it embed one: %w; name a program with --binary that is a sohost", path, err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, heeding{ctx, f}); err != nil {
		f.Close()
		return nil, fmt.Errorf("program: %w", err)
	}
	return &program{path: path, sum: hex.EncodeToString(hash.Sum(nil)), file: f}, nil
}

// heeding reads until its context ends.
type heeding struct {
	ctx context.Context
	io.Reader
}

func (h heeding) Read(b []byte) (int, error) {
	if err := context.Cause(h.ctx); err != nil {
		return 0, err
	}
	return h.Reader.Read(b)
}

// executable returns a path by which this process and its children can execute the program.
func (p *program) executable() string {
	if p == nil {
		return ""
	}
	if os.Getenv(self.LauncherEnv) != "" { // programs look at the path that the launcher was given
		return p.path
	}
	path := p.path
	withDescriptor(p.file, func(fd int) error {
		path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
		return nil
	})
	return path
}

func (p *program) close() {
	if p != nil {
		p.file.Close()
	}
}

// trial is a program in its probation. This process stays the program before, to which a death of a worker leads back.
type trial struct {
	program *program
	until   time.Time
	over    <-chan time.Time
}

// try puts a program in its probation, after a handover to it. With nil, the program of this process, there is nothing to try.
func (s *Supervisor) try(p *program) {
	s.endTrial()
	if p == nil {
		s.confirmed.close()
		s.confirmed = nil
		s.log.Info("workers run the supervisor's own program")
	} else {
		probation := s.start.Load().Options.Probation
		if probation == 0 {
			probation = sohost.DefaultOptions().Probation
		}
		s.trial = &trial{program: p, until: time.Now().Add(probation), over: time.After(probation)}
		s.log.Info("workers run a new program, which is in probation", "program", p.path, "sha256", p.sum, "for", probation)
	}
	s.tellPrograms(nil)
}

// endTrial forgets a program in probation.
func (s *Supervisor) endTrial() {
	if s.trial != nil {
		s.trial.program.close()
		s.trial = nil
	}
}

// probation returns a channel that gets an element when a program has passed its probation.
func (s *Supervisor) probation() <-chan time.Time {
	if s.trial == nil {
		return nil
	}
	return s.trial.over
}

// confirmProgram ends the probation of a program, whose worker is p, and makes it the supervisor's as well.
func (s *Supervisor) confirmProgram(ctx context.Context, p *process) {
	s.confirmed.close()
	s.confirmed, s.trial = s.trial.program, nil
	s.mu.Lock()
	s.failedProgram = nil // what has failed before it is history
	s.mu.Unlock()
	s.log.Info("the new program has passed its probation", "program", s.confirmed.path)
	s.happened(generations.KindProgramConfirmed, s.confirmed.path)
	s.tellPrograms(nil)
	s.upgrade(ctx, p)
}

// goBack ends the probation of a program because a worker of it has died. The next worker runs the program before.
func (s *Supervisor) goBack(reason string) {
	p := s.trial.program
	s.log.Error("the new program has not passed its probation: workers run the program before again",
		"program", p.path, "sha256", p.sum, "why", reason)
	s.happened(generations.KindProgramFailed, p.path+": "+reason)
	s.endTrial()
	s.mu.Lock()
	s.row = 0 // of that program
	s.mu.Unlock()
	s.tellPrograms(&control.FailedProgram{Time: time.Now(), Path: p.path, SHA256: p.sum, Reason: reason})
}

// runs returns the program for the next worker; nil is this process's own.
func (s *Supervisor) runs() *program {
	if s.trial != nil {
		return s.trial.program
	}
	return s.confirmed
}

// tellPrograms makes the status say which program workers run, and which one has failed if that isn't nil.
func (s *Supervisor) tellPrograms(failed *control.FailedProgram) {
	status := &control.ProgramStatus{Path: ownPath()}
	if p := s.runs(); p != nil {
		status = &control.ProgramStatus{Path: p.path, SHA256: p.sum, NotSupervisor: p.notSupervisor}
	}
	if s.trial != nil {
		status.Probation = &s.trial.until
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workerProgram = status
	if failed != nil {
		s.failedProgram = failed
	}
}

func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return self.Executable
	}
	return path
}

// startedFrom returns the path that this process was started from, as it was given: if that is a link, the link. A later SIGUSR2
// looks there for a new program.
func startedFrom() string {
	own, err := os.Stat(self.Executable)
	if err != nil {
		return ownPath()
	}
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return ownPath()
	}
	if info, err := os.Stat(path); err != nil || !os.SameFile(own, info) {
		return ownPath()
	}
	return path
}
