// Package supervisor keeps one worker serving: it starts the worker, gives it the server's sockets, replaces it when that is due
// (a handover) and when it has died or hangs, and answers on the control socket.
//
// Run's goroutine decides which worker serves, one thing after the other; others send it requests. A worker that has given its
// plugins away is left to a goroutine of its own, drain, which alone decides about it from then on. Run waits for all of them.
package supervisor

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/server/worker"
)

// Supervisor keeps a worker serving.
type Supervisor struct {
	opts     Options
	start    atomic.Pointer[worker.Start] // what each worker is to serve
	limits   limits
	log      *slog.Logger
	started  time.Time
	requests chan *request
	events   *events.Log
	hooks    *hooks.Runner
	spanning atomic.Pointer[spanning]
	unsent   *unsent           // what the program before an upgrade has left of spans
	told     map[string]uint64 // up to which event hooks were told before an upgrade
	hangup   chan os.Signal    // gets SIGHUP, of which one that waits stands for all
	replace  chan os.Signal    // and SIGUSR2, likewise
	stopped  chan struct{}     // closed at Run's end
	late     chan struct{}     // closed when the server has to be gone
	tasks    sync.WaitGroup    // the goroutines that Run waits for
	children children
	room     room   // in the memory limit
	halt     func() // ends Run as its context does

	refusing sync.Mutex            // held by stopListening; before mu
	refused  map[*os.File]struct{} // the sockets that it has shut
	refuses  bool                  // it was called: what is opened later is shut at once

	wanted context.Context // ends when the server is to stop: Run's, and halt's
	origin string          // the path that the server was started from
	adopts bool            // orphans

	reloading chan struct{} // has an element while a configuration is read and taken up, see Reload

	own atomic.Pointer[Own]

	// Run's goroutine alone has these.
	confirmed *program // what workers run unless there is a trial; nil: this process's program
	trial     *trial   // nil: no program is in probation
	reads     bool     // the program in probation takes up the configuration later; after a Resume, this one does

	relockNext time.Time // see watchStore

	slimNext  time.Time     // see slimIfFat
	slimPause time.Duration // see slimIfFat

	resumed *process       // the worker that served before an upgrade
	pending []sohost.Crash // crashes that no worker knows of yet; see pend
	usage   inflight.Usage // of the plugins' images, by whichever worker
	pace    pace           // of the beats

	links sync.Mutex // held while the files of a draining worker are closed, and for the whole of an upgrade; before mu

	mu       sync.Mutex    // guards what follows
	current  *process      // nil while none serves
	starting *process      // the one that is to serve, if none does
	changed  chan struct{} // closed and replaced with current
	draining map[*process]struct{}
	last     *sohost.Handover
	failure  *control.FailedHandover
	crashes  []control.Crash
	row      int // crashes in a row; only Run's goroutine changes it

	workerProgram *control.ProgramStatus // only Run's goroutine changes these two
	failedProgram *control.FailedProgram
	config        control.ConfigStatus
	settings      map[string]string // what the workers have; see Options
	pairs         pairs
	storeFault    string // why the store can't be used; empty if it can
	failedBuilds  map[string]control.FailedBuild
	sockets       []socket // of the listeners, as start has them; the slice is replaced, never changed
	endpoints     endpoints
	closed        bool // there are no endpoints any more
}

// New returns a Supervisor; call Run to start it.
func New(opts Options) *Supervisor {
	opts.Own = opts.Own.orDefault()
	s := &Supervisor{
		opts: opts, limits: defaultLimits(), log: opts.Log, started: time.Now(), requests: make(chan *request),
		hangup: make(chan os.Signal, 1), replace: make(chan os.Signal, 1), stopped: make(chan struct{}), late: make(chan struct{}),
		changed:   make(chan struct{}),
		reloading: make(chan struct{}, 1), failedBuilds: map[string]control.FailedBuild{}, wanted: context.Background(),
		draining: map[*process]struct{}{}, adopts: adopter(), origin: startedFrom(), refused: map[*os.File]struct{}{},
	}
	if watchdog, on := opts.Notifier.WatchdogInterval(); on {
		s.limits.beat = max(min(s.limits.beat, watchdog/2), leastBeat)
	}
	s.pairs.good, s.pairs.bad = map[certs.Files]certs.Pair{}, map[certs.Files]control.FailedReread{}
	s.pairs.changed = make(chan struct{})
	s.keepEvents(events.NewLog(s.started))
	opts.Start.Listeners = settingsOf(opts.Listeners, opts.Start.Listeners)
	s.start.Store(&opts.Start)
	s.own.Store(&opts.Own)
	s.settings, s.config.Read, s.config.Amended = opts.Settings, s.started, opts.Amended
	s.tellPrograms(nil)
	return s
}

// Run keeps a worker serving until ctx ends and the stop delay of Start is over, then has new connections refused and tells it to
// finish, and returns when all workers have ended. It fails when the first worker says that it can't serve; later ones are tried again and again. It is called once.
//
// SIGUSR2 replaces the program by the one that is now at the path that the server was started from, as Handover with that Program
// does.
func (s *Supervisor) Run(ctx context.Context) (err error) {
	s.wanted, s.halt = context.WithCancel(ctx)
	defer s.halt()
	if err := s.openSockets(); err != nil {
		return err
	}
	defer s.closeSockets()
	defer s.tasks.Wait()
	defer close(s.stopped)
	s.hooks.Set(s.start.Load().Hooks, s.told)
	defer s.hooks.Close(lastHooks)
	s.beginSpans(s.unsent)
	defer s.loseSpans()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(s.wanted, func() { s.delayStop(cancel) })()
	defer s.stopLate(ctx)()
	debug.SetMemoryLimit(heapGoal)
	s.watchPairs()
	defer s.endPairs()
	defer s.closeEndpoints()
	if err := s.openEndpoints(); err != nil { // before a worker serves: the status says how far the first one is
		return err
	}
	defer context.AfterFunc(ctx, s.stopListening)() // even in the middle of a handover
	s.tasks.Go(func() { s.obeySignals(ctx) })
	p := s.resumed
	if p == nil {
		if p, err = s.first(ctx); err != nil {
			if ctx.Err() != nil { // then the worker was told to finish, as at any other time
				s.finishDraining()
				return nil
			}
			return err
		}
	}
	s.serve(p)
	s.greet(ctx)
	if s.resumed != nil && s.reads {
		s.tasks.Go(func() { s.Reload(ctx, control.ReloadRequest{Why: "another program"}) }) // it logs how that went
	}
	return s.supervise(ctx, p)
}

// supervise keeps a worker serving, now p, until ctx ends.
func (s *Supervisor) supervise(ctx context.Context, p *process) error {
	beat := time.NewTimer(s.limits.beat)
	defer beat.Stop()
	var waiting []*request
	for n := uint64(1); ; n++ {
		if ctx.Err() != nil {
			for _, r := range waiting {
				r.done <- answer{err: control.ErrStopping}
			}
			s.notify(s.opts.Notifier.Stopping())
			return s.finish(p)
		}
		if len(waiting) > 0 {
			r := waiting[0]
			if r.only { // the worker has nothing to do with it
				s.configured(r.config)
				r.done <- answer{}
				waiting = waiting[1:]
				continue
			}
			if r.from != nil && r.from != p { // from a worker that was replaced already
				r.done <- answer{}
				waiting = waiting[1:]
				continue
			}
			s.pace = pace{} // in a handover, and at first after it, each beat counts
			next, answer := s.handover(ctx, p, r)
			through := next != p
			if through { // before join: who hears of it asks the new one
				s.serve(next)
				s.logHandover(answer.handover)
				p = next
			}
			beat.Reset(s.untilBeat())
			waiting = s.join(append(waiting, s.arrived()...), r, answer, through)
			s.notifyReady()
			continue
		}
		select {
		case r := <-s.requests:
			waiting = append(waiting, r)
		case <-beat.C:
			s.beat(p, n)
			beat.Reset(s.untilBeat())
			if wish := s.watchStore(p); wish != nil {
				waiting = append(waiting, wish)
			}
		case <-s.probation():
			if !p.gone() {
				s.confirmProgram(ctx, p)
			}
		case <-p.exited:
			s.serve(nil)
			s.pace = pace{}
			s.crashed(p)
			next, err := s.restart(ctx)
			if err != nil { // ctx has ended
				s.notify(s.opts.Notifier.Stopping())
				s.finishDraining()
				return nil
			}
			p = next
			beat.Reset(s.untilBeat())
			s.serve(p)
			s.log.Info("worker serves", "pid", p.pid)
			s.notifyReady()
		case <-ctx.Done():
		}
	}
}

// serve makes p the worker that serves; nil means none.
func (s *Supervisor) serve(p *process) {
	s.mu.Lock()
	s.current = p
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if p == nil {
		return
	}
	if p != s.resumed {
		s.events.Add(p.pid, generations.Event{Kind: generations.KindWorkerServes, Release: p.release()})
	}
	s.tasks.Go(func() { s.relay(p) })
	s.tasks.Go(func() { s.keepPairs(p) })
}

// Worker waits for a worker that serves and is not among tried. It fails only when ctx ends.
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

// greet reports that the server serves.
func (s *Supervisor) greet(ctx context.Context) {
	if s.resumed != nil {
		s.log.Info("upgraded: this is another program in the same process", "version", self.Version())
	} else {
		s.keepFirst()
		if s.opts.Serving != nil {
			s.opts.Serving(s.Status(ctx, true))
		}
	}
	s.notify(s.opts.Notifier.MainPID(os.Getpid())) // a shell may have been started first
	s.notifyReady()
}

// notifyReady tells systemd that a worker serves, and gives back the memory that it took to get there.
func (s *Supervisor) notifyReady() {
	s.notify(s.opts.Notifier.Ready("serving"))
	s.slim()
	s.slimNext, s.slimPause = time.Time{}, 0
}
