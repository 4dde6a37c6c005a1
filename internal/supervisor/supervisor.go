// Package supervisor keeps one worker serving: it starts it, gives it the server's sockets, replaces it by a fresh one when that
// is due (a handover) and when it has died or hangs, and answers on the control socket.
//
// One goroutine, that of Run, decides what happens to workers, one thing after the other. Others only ask it to.
package supervisor

import (
	"context"
	"errors"
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
	"github.com/sohost/sohost/internal/control"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/systemd"
	"github.com/sohost/sohost/internal/worker"
	"github.com/sohost/sohost/native"
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

// first starts the first worker. That it can't serve is most often the configuration's fault, or the store's: it isn't tried
// again, unless it has died of something else.
func (s *Supervisor) first(ctx context.Context) (*process, error) {
	p, err := s.begin(s.program)
	if err != nil {
		return nil, err
	}
	switch err := s.awaitServing(ctx, p); {
	case err == nil:
		return p, nil
	case ctx.Err() != nil:
		return nil, err
	}
	if failed := p.failed.Load(); failed != nil {
		p.close()
		return nil, errors.New(*failed)
	}
	s.crashed(p)
	return s.restart(ctx)
}

// begin starts a worker that boots from the store.
func (s *Supervisor) begin(program string) (*process, error) {
	p, err := spawn(program)
	if err != nil {
		return nil, err
	}
	start := s.opts.Start
	start.Options.Crashes = s.pending
	start.Options.CrashesInARow = s.row
	if err := p.link.Send(worker.Order{Start: &start}, s.public, s.opts.Lock.File(), p.output); err != nil {
		p.kill()
		defer p.close()
		return nil, fmt.Errorf("start a worker: %s", p.why())
	}
	return p, nil
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
			waiting = s.join(append(waiting, s.arrived()...), r, answer, next != p)
			if next != p {
				p = next
				s.serve(p)
			}
			s.notifyReady()
			continue
		}
		if s.program != "" {
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

// relay brings a worker's wishes for a handover to Run's goroutine.
func (s *Supervisor) relay(p *process) {
	for ask := range p.asks {
		go func() {
			answer := worker.Answer{ID: ask.ID}
			if _, err := s.Handover(context.Background(), Request{Why: ask.Why, from: p}); err != nil {
				answer.Error = err.Error()
			}
			p.link.Send(worker.Order{Answer: &answer})
		}()
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

// heapGoal is for the Go heap and all that goes with it; it may be passed.
const heapGoal = 8 << 20

// lean is how much memory a supervisor may take until it gives back what it can.
const lean = 14 << 20

// slim gives memory back: most of it are pages of the program that were needed once.
func (s *Supervisor) slim() {
	debug.FreeOSMemory()
	if _, err := native.CoolProgram(); err != nil {
		s.log.Debug("give back memory", "err", err)
	}
}

func (s *Supervisor) notify(err error) {
	if err != nil {
		s.log.Warn("notify systemd", "err", err)
	}
}

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
