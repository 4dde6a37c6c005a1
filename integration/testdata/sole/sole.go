// Sole works with what only one process may have at a time: from Start to Stop it holds the lock of a file. Whenever somebody
// else has that lock, or a request is served without it, two processes serve one state: that is written down as a violation,
// and served on.
//
//	GET /sole          answers how many requests were served
//	GET /sole?hold=5ms does so after a while
//
// Arguments: lock, violations and events are files; fill is how many keys the state has; stretch is for how long New, Export,
// Import and Start sleep, so that there is more time in each to be killed.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type state struct {
	Served int64
	Fill   map[string]int64
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("sole", 1),
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		args := host.Args()
		s := &sole{lockFile: args["lock"], violations: args["violations"], events: args["events"]}
		fill, err := strconv.Atoi(args["fill"])
		if err != nil {
			return nil, err
		}
		if s.stretch, err = time.ParseDuration(args["stretch"]); err != nil {
			return nil, err
		}
		initial := &state{Fill: map[string]int64{}}
		for i := range fill {
			initial.Fill["key-"+strconv.Itoa(i)] = int64(i)
		}
		s.Of = keep.New("sole", 1, initial)
		time.Sleep(s.stretch)
		return s, s.tell("new")
	},
}

type sole struct {
	keep.Of[state]
	lockFile, violations, events string
	stretch                      time.Duration

	first atomic.Bool // no request was served since Start
	mu    sync.Mutex  // guards lock and the state
	lock  *os.File    // nil unless started
}

// tell writes a line into a file that several processes write to.
func tell(file, text string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s\n", os.Getpid(), text)
	return errors.Join(err, f.Close())
}

func (s *sole) tell(event string) error { return tell(s.events, event) }

func (s *sole) violation(when string) error {
	return tell(s.violations, time.Now().Format(time.RFC3339Nano)+" "+when)
}

// locked asks the kernel. A lock that is held already stays.
func (s *sole) locked() bool {
	return s.lock != nil && syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func (s *sole) Start(context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil {
		return s.violation("a second start")
	}
	if s.lock, err = os.OpenFile(s.lockFile, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if !s.locked() {
		err = s.violation("start: another process serves the state")
	}
	s.first.Store(true)
	err = errors.Join(err, s.tell("start"))
	time.Sleep(s.stretch)
	return err
}

func (s *sole) Stop(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if !s.locked() {
		err = s.violation("stop: another process serves the state")
	}
	if s.lock == nil {
		return err
	}
	err = errors.Join(err, s.tell("stop"), s.lock.Close())
	s.lock = nil
	return err
}

func (s *sole) Export(ctx context.Context) (abi.State, error) {
	time.Sleep(s.stretch)
	given, err := s.Of.Export(ctx)
	return given, errors.Join(err, s.tell("export"))
}

func (s *sole) Import(ctx context.Context, given abi.State) error {
	time.Sleep(s.stretch)
	return errors.Join(s.Of.Import(ctx, given), s.tell("import"))
}

// Adopt is keep's but for the time it takes.
func (s *sole) Adopt(value any) {
	time.Sleep(s.stretch)
	s.Of.Adopt(value)
	s.tell("import") // else it is missed
}

func (s *sole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.first.CompareAndSwap(true, false) {
		s.tell("serve")
	}
	if hold, err := time.ParseDuration(r.URL.Query().Get("hold")); err == nil {
		time.Sleep(hold)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.locked() {
		s.violation("serve: without the lock")
	}
	state := s.State()
	state.Served++
	fmt.Fprintln(w, state.Served)
}

func main() {}
