// Package supervisor keeps one worker serving: it starts it, gives it the server's sockets, replaces it by a fresh one when that
// is due (a handover) and when it has died or hangs, and answers on the control socket.
//
// One goroutine, that of Run, decides what happens to workers, one thing after the other. Others only ask it to.
package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/systemd"
	"github.com/sohost/sohost/internal/server/worker"
)

// Options say what to supervise. Public, Control, Lock and Log must be set.
type Options struct {
	Start   worker.Start      // what each worker is to serve
	Public  net.Listener      // for HTTP; TCP or unix
	Control net.Listener      // see control.Listen
	Lock    *generations.Lock // of Start.Options.Store
	Log     *slog.Logger

	// ControlPath is the control socket's file, which is removed at the end. Default: it is somebody else's.
	ControlPath string

	// Serving is called once, when the first worker serves.
	Serving func(control.Status)

	// HangTimeout is for how long a worker may not answer until it is replaced. Default: 10 s.
	HangTimeout time.Duration

	// HandoverTimeout bounds a handover. Default: 2 min.
	HandoverTimeout time.Duration

	// Notifier tells systemd how it goes. Default: nobody is told.
	Notifier *systemd.Notifier
}

// Supervisor is the process that has workers.
type Supervisor struct {
	opts     Options
	log      *slog.Logger
	public   *os.File
	orders   *http.Server
	started  time.Time
	program  string // what workers run; empty: this one
	upgrades bool   // this process is to run that, too
	requests chan *request

	resumed *process       // the worker that served before an upgrade
	pending []crash.Report // crashes that no worker has taken note of

	mu       sync.Mutex    // guards what follows
	current  *process      // nil while none serves
	changed  chan struct{} // closed and replaced with current
	draining map[*process]struct{}
	last     *sohost.Handover
	failure  *control.FailedHandover
	crashes  []control.Crash
	row      int // crashes in a row
}

// New makes a supervisor; Run starts it.
func New(opts Options) *Supervisor {
	if opts.HangTimeout == 0 {
		opts.HangTimeout = 10 * time.Second
	}
	if opts.HandoverTimeout == 0 {
		opts.HandoverTimeout = 2 * time.Minute
	}
	return &Supervisor{
		opts: opts, log: opts.Log, started: time.Now(), requests: make(chan *request),
		changed: make(chan struct{}), draining: map[*process]struct{}{},
	}
}

// Run keeps a worker serving until ctx ends, and then has it finish. It fails when the first worker can't serve; later ones are
// tried for ever.
func (s *Supervisor) Run(ctx context.Context) (err error) {
	if s.public, err = fileOf(s.opts.Public); err != nil {
		return err
	}
	debug.SetMemoryLimit(heapGoal) // it has little to do, and all day for that
	defer s.public.Close()
	p := s.resumed
	if p == nil {
		if p, err = s.first(ctx); err != nil {
			return err
		}
	}
	s.answerOrders(s.opts.Control)
	defer func() {
		s.orders.Close()
		if s.opts.ControlPath != "" {
			os.Remove(s.opts.ControlPath) // gone already, unless an upgrade has kept it
		}
	}()
	s.serve(p)
	s.greet(ctx)
	return s.supervise(ctx, p)
}

// answerOrders begins to answer on the control socket.
func (s *Supervisor) answerOrders(on net.Listener) {
	s.orders = control.NewProxy(s)
	go s.orders.Serve(on) // until it is closed
}

// fileOf gives the open file of a listener.
func fileOf(l net.Listener) (*os.File, error) {
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("listen for HTTP: a %T can't be passed to a worker", l)
	}
	return f.File()
}

// supervise is the life of the server.
func (s *Supervisor) supervise(ctx context.Context, p *process) error {
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	var waiting []*request
	for n := uint64(1); ; n++ {
		if ctx.Err() != nil {
			for _, r := range waiting {
				r.done <- answer{err: ErrStopping}
			}
			s.notify(s.opts.Notifier.Stopping())
			return s.finish(p)
		}
		if len(waiting) > 0 {
			r := waiting[0]
			next, answer := s.handover(ctx, p, r)
			through := next != p
			if through { // first: whoever hears of it asks the new one
				s.serve(next)
				s.logHandover(answer.handover)
				p = next
			}
			waiting = s.join(append(waiting, s.arrived()...), r, answer, through)
			s.notifyReady()
			continue
		}
		if s.upgrades {
			s.upgrades = false
			s.upgrade(p)
		}
		select {
		case r := <-s.requests:
			waiting = append(waiting, r)
		case <-beat.C:
			s.beat(p, n)
		case <-p.exited:
			s.serve(nil)
			s.crashed(p)
			next, err := s.restart(ctx)
			if err != nil { // ctx has ended
				s.notify(s.opts.Notifier.Stopping())
				s.finishDraining()
				return nil
			}
			p = next
			s.serve(p)
			s.log.Info("worker serves", "pid", p.pid)
			s.notifyReady()
		case <-ctx.Done(): // see above
		}
	}
}

// serve makes p the worker that serves; nil stands for none.
func (s *Supervisor) serve(p *process) {
	s.mu.Lock()
	s.current = p
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if p != nil {
		go s.relay(p)
	}
}

// Worker returns the worker that serves, as soon as there is one that is not among those that were tried.
func (s *Supervisor) Worker(ctx context.Context, tried ...control.Worker) (control.Worker, error) {
	for {
		s.mu.Lock()
		p, changed := s.current, s.changed
		s.mu.Unlock()
		if p != nil && !slices.Contains(tried, control.Worker(p)) {
			return p, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// greet tells that the server serves.
func (s *Supervisor) greet(ctx context.Context) {
	if s.resumed != nil {
		s.log.Info("upgraded: this is another program in the same process", "version", version())
	} else if s.opts.Serving != nil {
		s.opts.Serving(s.Status(ctx))
	}
	s.notify(s.opts.Notifier.MainPID(os.Getpid())) // a shell may have been started first
	s.notifyReady()
}

// notifyReady tells systemd that there is a worker that serves, and gives back what it took to come there.
func (s *Supervisor) notifyReady() {
	s.notify(s.opts.Notifier.Ready("serving"))
	s.slim()
}

func (s *Supervisor) notify(err error) {
	if err != nil {
		s.log.Warn("notify systemd", "err", err)
	}
}
