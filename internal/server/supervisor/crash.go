package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/server/control"
)

const (
	// keptCrashes is how many crashes status shows, how many outputs the store keeps, and how many reports wait for a worker.
	keptCrashes = 20

	// pendingOutput is how much output a report keeps that waits behind a newer one. The goroutine that crashed comes first, and
	// its 100 frames take a quarter of this. One report of crash.MaxOutput and 19 of this size fit into a Start order even if
	// JSON needs six bytes for each byte.
	pendingOutput = 64 << 10
)

// crashed notes that a worker ended without being told to, and releases what belonged to it.
func (s *Supervisor) crashed(p *process) {
	defer p.close()
	report := p.report()
	s.usage.Tell(report.Calls)
	reason := p.why()
	file, err := s.keep(report)
	if err != nil {
		s.log.Warn("keep a crash output", "err", err)
	}
	if p.failed.Load() == nil { // otherwise it said itself why it gives up, and no image is to blame
		s.pend(sohost.Crash{
			Ended: report.Ended, Uptime: report.Uptime, Exit: report.Exit, Why: report.Why, Output: report.Output, Program: s.onTrial(p),
			Calls: report.Calls, Memory: report.Memory, Stopped: report.Stopped,
		})
	}
	if s.onTrial(p) != "" {
		defer s.goBack(reason)
	}
	s.events.Add(p.pid, generations.Event{Kind: generations.KindWorkerDied, Time: report.Ended, Uptime: report.Uptime, Detail: reason})
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ended.Sub(p.watched) > s.limits.settled {
		s.row = 0
	}
	s.row++
	s.crashes = append(s.crashes, control.Crash{Time: report.Ended, PID: report.PID, Reason: reason, File: file, Calls: report.Calls})
	s.crashes = s.crashes[max(0, len(s.crashes)-keptCrashes):]
	s.log.Error("worker died; connections wait for the next one", "pid", p.pid, "exit", report.Exit, "why", reason, "in a row", s.row,
		"output", file)
}

// onTrial returns the path and the hash of the process's program if that is in probation.
func (s *Supervisor) onTrial(p *process) string {
	if s.trial != nil && p.program == s.trial.program {
		return fmt.Sprintf("%s (%.12s)", p.program.path, p.program.sum)
	}
	return ""
}

// pend keeps a report for the next worker. The newest reports are kept, and of the older ones the beginning of their output, so
// that a Start order always has room for them all.
func (s *Supervisor) pend(c sohost.Crash) {
	for i := range s.pending {
		if o := &s.pending[i].Output; len(*o) > pendingOutput {
			*o = strings.Clone((*o)[:pendingOutput]) // a slice of it would keep the whole
		}
	}
	s.pending = append(s.pending, c)
	s.pending = s.pending[max(0, len(s.pending)-keptCrashes):]
}

// calls describes the images that were in calls, a line each.
func calls(s *inflight.Snapshot) string {
	if s == nil {
		return "which images were in calls isn't known\n"
	}
	text := ""
	for _, im := range s.Images {
		text += fmt.Sprintln(im)
	}
	if s.Partial {
		text += "and perhaps others\n"
	}
	return cmp.Or(text, "no image was in a call\n")
}

// crashFiles returns the folder of what crashed workers have left.
func (s *Supervisor) crashFiles() *generations.Folder { return s.folder("crashes") }

// keep writes what a crashed worker has left, most often stacks, to a file in the store, and removes the oldest such files.
func (s *Supervisor) keep(report *crash.Report) (string, error) {
	if report.Output == "" && report.Calls == nil {
		return "", nil
	}
	folder := s.crashFiles()
	kept, err := keptFiles(folder.Path(""))
	if err != nil {
		return "", err
	}
	next := 1
	if len(kept) > 0 {
		next = keptNumber(kept[len(kept)-1]) + 1
	}
	name := fmt.Sprintf("%06d-%s-%d.txt", next, report.Ended.UTC().Format("20060102T150405.000"), report.PID)
	text := fmt.Sprintf("worker %d, started %v, ended %v: %s\n%s\n%s",
		report.PID, report.Started, report.Ended, report.Reason(), calls(report.Calls), report.Output)
	err = folder.WriteFile(name, 0o600, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, old := range kept[:max(0, len(kept)+1-keptCrashes)] {
		err = errors.Join(err, folder.Remove(filepath.Base(old)))
	}
	return folder.Path(name), err
}

// keptFiles returns the files of earlier crashes, oldest first. Their numbers say which those are: a clock can be set.
func keptFiles(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	slices.SortStableFunc(files, func(a, b string) int { return cmp.Compare(keptNumber(a), keptNumber(b)) })
	return files, err
}

// keptNumber returns the number in the name of a crash's file; 0 if there is none.
func keptNumber(file string) int {
	number, _, _ := strings.Cut(filepath.Base(file), "-")
	n, err := strconv.Atoi(number)
	if err != nil || len(number) < 6 || len(number) > 9 {
		return 0
	}
	return n
}
