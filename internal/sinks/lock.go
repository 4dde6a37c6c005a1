package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sohost/sohost/internal/sockets"
)

// lockPatience is how long a write waits for the file: for its lock, which others have for as long as one write takes, and for the writes
// before it.
const lockPatience = 5 * time.Second

// locking waits for the lock of an open file, for one write after the other: nothing but the lock ends that, so there is one wait for all of
// them.
type locking struct {
	f    *os.File
	over chan struct{} // closed when it has ended

	mu    sync.Mutex // guards the rest
	wants bool       // somebody waits
	gone  bool       // nobody will any more, and the file is to be closed
	ended bool
	held  bool // the file is locked
	err   error
}

// lock locks the file until ctx ends. After an error it isn't locked.
func (s *file) lock(ctx context.Context) error {
	for {
		if s.locking == nil {
			err := flock(s.f, unix.LOCK_EX|unix.LOCK_NB)
			if !errors.Is(err, unix.EWOULDBLOCK) {
				return err
			}
			s.locking = &locking{f: s.f, over: make(chan struct{})}
			go s.locking.run() // nobody can end it, so nobody waits for its end
		}
		held, err := s.locking.await(ctx)
		if errors.Is(err, errLate) {
			return s.late()
		}
		if s.locking = nil; held || err != nil {
			return err
		}
	}
}

// errLate is returned when a context has ended.
var errLate = errors.New("too late")

// late says that the file could not be had in time, and who has it.
func (s *file) late() error {
	who := "another process"
	if holder, known := sockets.Locker(s.opts.Path); known {
		who = fmt.Sprintf("process %d (%s)", holder.PID, holder.Program)
	}
	return fmt.Errorf("%s has been locked by %s for too long: nothing of this is written; rows are taken again once it is free", s.opts.Path, who)
}

// run takes the lock, and gives it back if nobody waits any more.
func (l *locking) run() {
	err := flock(l.f, unix.LOCK_EX)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(l.over)
	l.ended, l.err, l.held = true, err, err == nil && l.wants
	switch {
	case l.gone:
		l.f.Close() // and with it the lock
	case err == nil && !l.held:
		l.err = flock(l.f, unix.LOCK_UN)
	}
}

// await waits until it has ended, and reports whether the file is locked. The error is errLate if ctx ends before.
func (l *locking) await(ctx context.Context) (held bool, err error) {
	want := func(is bool) (ended bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wants = is
		return l.ended
	}
	want(true)
	select {
	case <-l.over:
	case <-ctx.Done():
		if !want(false) {
			return false, errLate
		}
		<-l.over
	}
	return l.held, l.err
}

// leave has the file closed: by the caller, if that is reported, or when the wait has ended. A descriptor that a system call uses must not
// be closed.
func (l *locking) leave() (closes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	return l.ended
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
