package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/control"
	"github.com/sohost/sohost/internal/crash"
)

// A worker that served for as long as that has not crashed in a row with the one before.
const settled = 30 * time.Second

// keptCrashes is how many crashes status tells of.
const keptCrashes = 20

// crashed takes note of a worker that has ended by itself, and lets go of what belonged to it.
func (s *Supervisor) crashed(p *process) {
	defer p.close()
	report := p.report()
	reason := p.why()
	file, err := s.keep(report)
	if err != nil {
		s.log.Warn("keep what the worker said at its end", "err", err)
	}
	if p.failed.Load() == nil { // else no image's fault: it has said itself why it gives up
		s.pending = append(s.pending, *report)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ended.Sub(p.started) > settled {
		s.row = 0
	}
	s.row++
	s.crashes = append(s.crashes, control.Crash{Time: report.Ended, PID: report.PID, Reason: reason, File: file})
	s.crashes = s.crashes[max(0, len(s.crashes)-keptCrashes):]
	s.log.Error("worker died; connections wait for the next one", "pid", p.pid, "exit", report.Exit, "why", reason, "in a row", s.row,
		"output", file)
}

// keep writes what a worker said at its end, its stacks most often, into a file of the store, and removes the oldest such file.
func (s *Supervisor) keep(report *crash.Report) (string, error) {
	if report.Output == "" {
		return "", nil
	}
	dir := filepath.Join(s.opts.Start.Options.Store, "crashes")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%d.txt", report.Ended.UTC().Format("20060102T150405.000"), report.PID))
	text := fmt.Sprintf("worker %d, started %v, ended %v: %s\n\n%s", report.PID, report.Started, report.Ended, report.Reason(), report.Output)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*.txt")) // in the order of their names, which is that of time
	for _, old := range kept[:max(0, len(kept)-keptCrashes)] {
		err = errors.Join(err, os.Remove(old))
	}
	return file, err
}

// backoff is how long the next worker is waited for after n crashes in a row: the first comes at once.
func backoff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(100*time.Millisecond<<min(n-2, 10), 5*time.Second)
}

// restart starts workers until one serves. It fails only when ctx ends.
func (s *Supervisor) restart(ctx context.Context) (*process, error) {
	for {
		select {
		case <-time.After(backoff(s.row)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		p, err := s.begin(s.program)
		if err != nil {
			s.mu.Lock()
			s.row++
			s.mu.Unlock()
			s.log.Error("start a worker", "err", err)
			continue
		}
		switch err := s.awaitServing(ctx, p); {
		case err == nil:
			s.log.Info("worker serves", "pid", p.pid)
			s.pending = nil
			return p, nil
		case ctx.Err() != nil:
			return nil, err
		}
		s.crashed(p)
	}
}

// errEnded is returned when a worker has ended before it served.
var errEnded = errors.New("the worker has ended")

// awaitServing waits until p serves. If it ends instead, or hangs, the error is errEnded and p is gone; when ctx ends p is made
// to finish.
func (s *Supervisor) awaitServing(ctx context.Context, p *process) error {
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-p.served:
			return nil
		case <-p.exited:
			return errEnded
		case <-beat.C:
			s.beat(p, n)
		case <-ctx.Done():
			s.finish(p)
			return context.Cause(ctx)
		}
	}
}

// beat is a sign of life of Run's goroutine, which examines a worker besides.
func (s *Supervisor) beat(p *process, n uint64) {
	if s.opts.Notifier != nil {
		if _, on := s.opts.Notifier.WatchdogInterval(); on {
			s.notify(s.opts.Notifier.Ping())
		}
	}
	if resident(os.Getpid()) > lean {
		s.slim()
	}
	s.examine(p, n)
}

// examine asks a worker whether it is alive, and ends one that has not answered for too long, after it was made to tell its
// stacks.
func (s *Supervisor) examine(p *process, n uint64) {
	if p.silence() < s.opts.HangTimeout {
		p.ping(n)
		return
	}
	p.hung = fmt.Sprintf("it didn't answer for %v", p.silence().Round(time.Second))
	s.log.Error("worker doesn't answer and is replaced", "pid", p.pid, "why", p.hung)
	p.proc.Signal(syscall.SIGQUIT)
	p.proc.Signal(syscall.SIGCONT) // if that is why
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.kill()
	}
}
