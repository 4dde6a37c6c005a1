package supervisor

import (
	"fmt"
	"time"
)

// beat shows systemd that Run's goroutine is alive, examines a worker, and does what is due from time to time.
func (s *Supervisor) beat(p *process, n uint64) {
	if s.opts.Notifier != nil {
		if _, on := s.opts.Notifier.WatchdogInterval(); on {
			s.notify(s.opts.Notifier.Ping())
		}
	}
	s.slimIfFat(time.Now())
	if s.adopts {
		s.children.reap()
	}
	if p.calls != nil {
		s.usage.Look(p.calls) // fails until the worker has made its table
	}
	s.examine(p, n)
}

// examine pings a worker. If it hasn't answered earlier pings for too long, examine makes it write its stacks and ends it.
func (s *Supervisor) examine(p *process, n uint64) {
	if p.gone() {
		return
	}
	if p.silence() < s.opts.HangTimeout {
		p.ping(n)
		return
	}
	why := fmt.Sprintf("it didn't answer for %v", p.silence().Round(time.Second))
	s.log.Error("worker doesn't answer and is replaced", "pid", p.pid, "why", why)
	s.endHung(p, why)
}
