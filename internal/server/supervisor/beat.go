package supervisor

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

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
