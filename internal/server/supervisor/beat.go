package supervisor

import (
	"fmt"
	"time"
)

// quietAfter is how many beats in a row must have seen nobody in a call before there are fewer of them, and how many of them one then
// stands for.
const quietAfter = 10

// pace says when the next beat is due. While nobody calls a plugin there is one where there were ten, because each wakes both
// processes. A worker that owes an answer is looked at as often as ever.
type pace struct {
	quiet int // beats in a row that found nothing going on
	left  int // how many beats were left out before the one that is due
}

// looks returns how many beats the one that is due stands for.
func (c *pace) looks() int { return 1 + c.left }

// next returns the time until the next beat. watchdog is the time within which systemd must be shown a sign of life; 0 if there is none.
func (c *pace) next(beat, hang, watchdog time.Duration) time.Duration {
	c.left = 0
	if c.quiet < quietAfter {
		return beat
	}
	next := min(quietAfter*beat, hang)
	if watchdog > 0 {
		next = min(next, watchdog/2)
	}
	if next <= beat {
		return beat
	}
	c.left = int(next/beat) - 1
	return next
}

// saw notes what a beat has found.
func (c *pace) saw(busy bool) {
	if c.quiet++; busy {
		c.quiet = 0
	}
}

// untilBeat returns the time until the next beat. If a worker is alone, there may be fewer than usual.
func (s *Supervisor) untilBeat() time.Duration {
	watchdog, _ := s.opts.Notifier.WatchdogInterval()
	return s.pace.next(s.limits.beat, s.own.Load().HangTimeout, watchdog)
}

// showLife shows systemd that Run's goroutine is alive, if systemd wants to know.
func (s *Supervisor) showLife() {
	if _, on := s.opts.Notifier.WatchdogInterval(); on {
		s.notify(s.opts.Notifier.Ping())
	}
}

// beat shows systemd that Run's goroutine is alive, examines a worker, and does what is due from time to time.
func (s *Supervisor) beat(p *process, n uint64) {
	s.showLife()
	s.slimIfFat(time.Now())
	if s.adopts {
		s.children.reap()
	}
	busy := true
	if p.calls != nil {
		var err error
		busy, err = s.usage.Look(p.calls, s.pace.looks()) // fails until the worker has made its table
		busy = busy || err != nil
	}
	s.pace.saw(busy || p.silence() > 0)
	s.examine(p, n)
}

// examine pings a worker. If it hasn't answered earlier pings for too long, examine makes it write its stacks and ends it.
func (s *Supervisor) examine(p *process, n uint64) {
	if p.gone() {
		return
	}
	silence := s.limits.silence(p)
	if silence < s.own.Load().HangTimeout {
		p.ping(n)
		return
	}
	why := fmt.Sprintf("it didn't answer for %v", silence.Round(time.Second))
	s.log.Error("worker doesn't answer and is replaced", "pid", p.pid, "why", why)
	s.endHung(p, why)
}
