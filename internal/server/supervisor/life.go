package supervisor

import (
	"fmt"
	"os"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/server/control"
)

// unanswered is for how long a worker may owe an answer before that is worth telling.
const unanswered = 2 * time.Second

// Life says that the supervisor lives, and what keeps it from passing orders on. It waits for nobody.
func (s *Supervisor) Life() control.Life {
	s.mu.Lock()
	current, starting := s.current, s.starting
	s.mu.Unlock()
	l := control.Life{PID: os.Getpid()}
	switch {
	case current != nil && pidfd.Stopped(current.pid):
		l.Why = control.Stopped("the worker", current.pid)
	case current != nil && current.silence() > unanswered:
		l.Why = fmt.Sprintf("the worker, pid %d, hasn't answered for %v", current.pid, current.silence().Round(time.Second))
	case current != nil:
	case starting != nil && starting.booting.Load() != nil:
		l.Why = fmt.Sprintf("no worker serves yet: %v", *starting.booting.Load())
	default:
		l.Why = "no worker serves yet"
	}
	return l
}
