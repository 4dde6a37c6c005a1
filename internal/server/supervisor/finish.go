package supervisor

import (
	"errors"
	"time"

	"github.com/sohost/sohost/internal/server/worker"
)

// finish has a worker end, and waits for it and those before it. A worker that doesn't end in time is killed.
func (s *Supervisor) finish(p *process) error {
	p.link.Send(worker.Order{Finish: true}) // one that is gone needs no order
	err := s.awaitEnd(p)
	s.finishDraining()
	return err
}

// finishDraining waits for the workers that have given their plugins away.
func (s *Supervisor) finishDraining() {
	s.mu.Lock()
	left := make([]*process, 0, len(s.draining))
	for d := range s.draining {
		left = append(left, d)
	}
	s.mu.Unlock()
	for _, d := range left {
		d.link.Send(worker.Order{Finish: true})
		<-d.exited // drain has a limit of its own
	}
}

// grace is what a worker gets beyond its own limits.
const grace = 5 * time.Second

func (s *Supervisor) awaitEnd(p *process) error {
	defer p.close()
	select {
	case <-p.exited:
	case <-time.After(s.opts.Start.ShutdownTimeout + grace):
		p.kill()
		return errors.New("the worker didn't finish in time, and was killed")
	}
	if p.succeeded() {
		return nil
	}
	return errors.New(p.why())
}
