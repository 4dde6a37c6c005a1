package instance

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/wall"
)

// spareIdle is how long a spare child waits for an image before it ends.
const spareIdle = 10 * time.Minute

// Spare describes a spare child.
type Spare struct {
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
	Memory int64     `json:"memory"` // bytes in memory that it shares with no file; 0 if the kernel doesn't tell
}

// spares keeps at most one child of a probe that has been started before there is an image for it: it is behind its wall, and
// waits. So a probe takes only as long as the image. It opens one image, or it ends: after spareIdle, when it isn't what a new child would be any more, with close, or with this process.
type spares struct {
	start func(wall.Options) (spareChild, *firstOutput, error) // Prober.startSpare, but in tests
	after func(time.Duration, func()) (stop func() bool)       // afterFunc, but in tests

	mu     sync.Mutex // guards the fields below
	spare  *spare     // nil if there is none
	closed bool
	ends   sync.WaitGroup // what waits for the end of a spare child, or ends it
}

// spareChild is a *wall.Child.
type spareChild interface {
	Pid() int
	Ended() <-chan struct{}
	End()
}

// spare is a child that has no image yet.
type spare struct {
	*wall.Child // nil in tests of spares
	child       spareChild
	output      *firstOutput
	options     wall.Options
	inherited   Settings // this process's, when it was started
	since       time.Time
	taken       chan struct{} // closed when it is spare no longer
	stop        func() bool   // of the timer that ends it
}

func afterFunc(d time.Duration, f func()) (stop func() bool) { return time.AfterFunc(d, f).Stop }

func (p *Prober) startSpare(o wall.Options) (spareChild, *firstOutput, error) {
	c, output, err := p.start(o)
	if err != nil {
		return nil, nil, err
	}
	return c, output, nil
}

// MakeSpare starts a child that waits for the next image that is probed with these options, if there isn't one. It holds some 2 MB,
// which Spare tells, and ends after ten minutes if no image comes. MakeSpare doesn't wait until the child is ready. After an error
// there is none, and the next probe starts its own.
func (p *Prober) MakeSpare(o ProbeOptions) error {
	if o.MustHold { // who asks for that decides by what the child's layers are
		return nil
	}
	if err := p.spares.make(o.wall()); err != nil {
		return fmt.Errorf("start a spare child for the next probe: %w", err)
	}
	return nil
}

// Spare describes the spare child, nil if there is none.
func (p *Prober) Spare() *Spare {
	p.spares.mu.Lock()
	defer p.spares.mu.Unlock()
	s := p.spares.spare
	if s == nil {
		return nil
	}
	return &Spare{PID: s.child.Pid(), Since: s.since, Memory: anonymous(s.child.Pid())}
}

// Close ends the spare child, and makes no other. It returns when that is gone.
func (p *Prober) Close() { p.spares.close() }

// make starts a spare child unless there is one.
func (k *spares) make(o wall.Options) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.spare != nil || k.closed {
		return nil
	}
	s := &spare{options: o, inherited: ReadSettings(), since: time.Now(), taken: make(chan struct{})}
	var err error
	if s.child, s.output, err = k.start(o); err != nil {
		return err
	}
	s.Child, _ = s.child.(*wall.Child)
	s.stop = k.after(spareIdle, func() { k.drop(s) })
	k.spare = s
	k.ends.Go(func() { // it may be killed, first of all when memory runs out
		select {
		case <-s.child.Ended():
			k.drop(s)
		case <-s.taken:
		}
	})
	return nil
}

// take returns the spare child if a new one with the options would be just the same and as quick, and nil otherwise. The caller must end it.
func (k *spares) take(o wall.Options) *spare {
	k.mu.Lock()
	s := k.spare
	if s == nil || s.options != o { // it may be right for the next one
		k.mu.Unlock()
		return nil
	}
	k.releaseLocked()
	k.mu.Unlock()
	// One that somebody has stopped would hold the image up until the limit of the probe.
	if pidfd.Stopped(s.child.Pid()) {
		s.child.End()
		return nil
	}
	// A child inherits what the process has when it starts it: its environment, user, limits, folder.
	if len(s.inherited.Changes()) > 0 {
		s.child.End()
		return nil
	}
	return s
}

// drop ends s if it is spare still.
func (k *spares) drop(s *spare) {
	k.mu.Lock()
	is := k.spare == s
	if is {
		k.ends.Add(1) // before releaseLocked lets the other one go, so that close can't miss it
		k.releaseLocked()
	}
	k.mu.Unlock()
	if is {
		s.child.End()
		k.ends.Done()
	}
}

// releaseLocked makes the spare child somebody's. It is called with k.mu held.
func (k *spares) releaseLocked() {
	k.spare.stop()
	close(k.spare.taken)
	k.spare = nil
}

func (k *spares) close() {
	k.mu.Lock()
	s := k.spare
	k.closed = true
	k.mu.Unlock()
	if s != nil {
		k.drop(s)
	}
	k.ends.Wait()
}

// anonymous returns how many bytes of a process's memory are its own.
func anonymous(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := bytes.Fields(text) // in pages: all, resident, of these shared with files
	if len(f) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(string(f[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(f[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
