package supervisor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/server/worker"
)

// finish tells a worker to finish, and waits for it and for the draining ones. A worker that doesn't end in time is killed.
func (s *Supervisor) finish(p *process) error {
	s.stopListening()
	s.tell(p, worker.Order{Finish: true})
	err := s.awaitEnd(p)
	s.finishDraining()
	return err
}

// finishDraining waits for the workers that have given their plugins away.
func (s *Supervisor) finishDraining() {
	s.mu.Lock()
	left := s.drainingLocked()
	s.mu.Unlock()
	for _, d := range left {
		s.tell(d, worker.Order{Finish: true})
		<-d.exited // drain sees to it
	}
}

// drainingLocked returns the workers that have given their plugins away, oldest first; s.mu is held.
func (s *Supervisor) drainingLocked() []*process {
	return slices.SortedFunc(maps.Keys(s.draining), func(a, b *process) int { return a.started.Compare(b.started) })
}

func (s *Supervisor) awaitEnd(p *process) error {
	defer p.close()
	select {
	case <-p.exited:
	case <-s.late:
		s.kill(p)
		return errors.New("the worker didn't finish in time and was killed")
	}
	if p.succeeded() {
		return nil
	}
	return errors.New(p.why())
}

// tell sends an order without files. It doesn't wait: a worker that hangs doesn't read. It fails only when the worker is gone.
func (s *Supervisor) tell(p *process, o worker.Order) { s.tasks.Go(func() { p.link.Send(o) }) }

// kill ends processes and waits until they are gone. One that hangs in the kernel can't be waited for: no code of it will ever run
// again, and it counts as gone.
func (s *Supervisor) kill(ps ...*process) {
	for _, p := range ps {
		p.proc.Kill()
	}
	death := time.After(s.limits.death)
	over := false
	for _, p := range ps {
		if !over {
			select {
			case <-p.exited:
				continue
			case <-death:
				over = true
			}
		}
		if p.end(nil, true) {
			s.log.Error("a killed worker hangs in the kernel, and is left behind", "pid", p.pid)
		}
	}
}

// endHung ends a process that doesn't do what it must, and makes it write its stacks first.
func (s *Supervisor) endHung(p *process, why string) {
	if p.stopped = pidfd.Stopped(p.pid); p.stopped {
		why += ": somebody had stopped it (SIGSTOP, or a debugger)"
	}
	p.hung = why
	p.proc.Signal(syscall.SIGQUIT)
	p.proc.Signal(syscall.SIGCONT) // if it is stopped
	select {
	case <-p.exited:
	case <-time.After(s.limits.grace):
		s.kill(p)
	case <-s.late:
		s.kill(p)
	}
}

// stopLate closes late when the server has to be gone, once ctx has ended. Workers get the shutdown timeout and a grace from then.
func (s *Supervisor) stopLate(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		time.AfterFunc(s.start.Load().ShutdownTimeout+s.limits.grace, func() { close(s.late) })
	})
}
