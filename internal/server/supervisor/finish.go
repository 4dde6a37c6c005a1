package supervisor

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sohost/sohost/internal/server/worker"
)

// finish tells a worker to finish, and waits for it and for the draining ones. A worker that doesn't end in time is killed.
func (s *Supervisor) finish(p *process) error {
	s.stopListening()
	p.link.Send(worker.Order{Finish: true}) // fails only when it is gone
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
		d.link.Send(worker.Order{Finish: true})
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
	case <-time.After(s.opts.Start.ShutdownTimeout + s.limits.grace):
		s.kill(p)
		return errors.New("the worker didn't finish in time and was killed")
	}
	if p.succeeded() {
		return nil
	}
	return errors.New(p.why())
}

// kill ends a process and waits until it is gone. One that hangs in the kernel can't be waited for: no code of it will ever run
// again, and it counts as gone.
func (s *Supervisor) kill(p *process) {
	p.proc.Kill()
	select {
	case <-p.exited:
		return
	case <-time.After(s.limits.death):
	}
	if p.end(nil, true) {
		s.log.Error("a killed worker hangs in the kernel, and is left behind", "pid", p.pid)
	}
}
