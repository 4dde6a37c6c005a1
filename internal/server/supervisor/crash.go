package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/server/control"
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
	err := generations.WriteFile(file, 0o600, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return "", err
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*.txt")) // in the order of their names, which is that of time
	for _, old := range kept[:max(0, len(kept)-keptCrashes)] {
		err = errors.Join(err, os.Remove(old))
	}
	return file, err
}
