package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// handover carries out a request, and returns the worker that serves afterwards.
func (s *Supervisor) handover(ctx context.Context, giver *process, r *request) (*process, answer) {
	s.notify(s.opts.Notifier.Reloading())
	s.log.Info("handover begins", "why", r.Why)
	s.events.Add(0, generations.Event{Kind: generations.KindHandoverBegins, Detail: r.Why, Trace: r.Trace})
	taker, report, err := s.exchange(ctx, giver, r)
	if err != nil {
		s.log.Error("handover failed; the old worker still serves", "why", r.Why, "err", err)
		s.noteFailure(r.Why, err)
		return giver, answer{err: err}
	}
	if r.Program != "" {
		s.try(taker.program)
		s.reads = r.reads
	}
	if r.config != nil {
		s.configured(r.config)
	}
	s.mu.Lock()
	s.last, s.failure = report, nil
	s.row = 0
	giver.since = time.Now()
	s.draining[giver] = struct{}{}
	old := s.drainingLocked()
	s.mu.Unlock()
	s.hurry(old)
	s.tasks.Go(func() { s.drain(giver) })
	return taker, answer{handover: report}
}

// noteFailure makes the status show why a handover has failed.
func (s *Supervisor) noteFailure(why string, err error) {
	s.happened(generations.KindHandoverFailed, fmt.Sprintf("%s: %v", why, err))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = &control.FailedHandover{Time: time.Now(), Why: why, Error: err.Error()}
}

// logHandover tells of a handover that succeeded.
func (s *Supervisor) logHandover(h *sohost.Handover) {
	p := h.Phases
	s.reportSpan(h)
	s.events.Add(h.Taker, generations.Event{Kind: generations.KindHandover, Release: h.Release, Detail: h.Why, Phases: p.ByName()})
	s.log.Info("handover", "why", h.Why, "from", h.Giver, "to", h.Taker, "total", time.Since(h.Time), "prepare", p.Prepare,
		"ahead", p.Ahead, "drain", p.Drain, "state", p.State, "commit", p.Commit, "publish", p.Publish)
}

// exchange starts a new worker, the taker, and lets the giver hand over to it. After an error the giver still serves, or has died.
func (s *Supervisor) exchange(ctx context.Context, giver *process, r *request) (*process, *sohost.Handover, error) {
	taker, err := s.newTaker(r)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*process, *sohost.Handover, error) {
		s.kill(taker)
		if r.Program != "" {
			taker.program.close()
		}
		taker.close()
		return nil, nil, err
	}
	var ends []*os.File // of two socket pairs: for the handover, and for connections
	defer func() { passing.Close(ends) }()
	for range 2 {
		a, b, err := passing.Pair()
		if err != nil {
			return fail(err)
		}
		ends = append(ends, a, b)
	}
	start, sockets := *s.start.Load(), s.listening()
	if r.config != nil {
		start, sockets = r.config.Start, r.config.opening.all
	}
	start.Takes = true
	if err := s.order(taker, &start, sockets, ends[0], ends[2]); err != nil {
		if r.Program != "" {
			err = fmt.Errorf("%w; name a program with --binary that is a sohost", err)
		}
		return fail(fmt.Errorf("start the new worker: %w", err))
	}
	select {
	case <-giver.given: // of a handover before, if it reported that twice
	default:
	}
	giver.link.Send(worker.Order{Room: true})
	give := worker.Give{Why: r.Why, Program: r.Program, Images: r.Images, LoseState: r.LoseState}
	if r.config != nil {
		o := start.Options
		give.Config = &sohost.Configuration{Plugins: o.Plugins, Chains: o.Chains, Disabled: o.Disabled, Dir: o.Dir, Forget: r.config.Forget}
		give.Close = r.config.opening.closedNames()
	}
	if err := giver.link.Send(worker.Order{Give: &give}, ends[1], ends[3]); err != nil {
		return fail(fmt.Errorf("the old worker has ended: %w", err))
	}
	passing.Close(ends) // so that each of the two notices the other's end
	ends = nil
	given, err := s.awaitGiven(ctx, giver, taker)
	switch {
	case err != nil:
		return fail(err)
	case given.Error != "":
		return fail(s.whyFailed(given, taker))
	}
	return taker, given.Handover, nil
}

// newTaker starts a worker of the program that a request names, or, if it names none, of the one that workers run.
func (s *Supervisor) newTaker(r *request) (*process, error) {
	if r.Program == "" {
		return s.spawn()
	}
	p, err := spawn(r.program, &s.children, s.events)
	if err != nil {
		r.program.close()
		return nil, fmt.Errorf("%w; name a program with --binary that is a sohost", err)
	}
	return p, nil
}

// whyFailed returns why the giver has kept the plugins. Of a taker that died the giver knows only that it is gone.
func (s *Supervisor) whyFailed(given worker.Given, taker *process) error {
	message := given.Error
	if given.Unwritable {
		return errors.New(message)
	}
	if given.Refusal == nil {
		select {
		case <-taker.exited:
			if !taker.succeeded() {
				if why := taker.why(); !strings.HasSuffix(why, strings.TrimPrefix(message, "handover: ")) { // that the taker has said already
					message = fmt.Sprintf("%s (why: %s)", message, why)
				}
			}
		case <-time.After(s.limits.last): // it lives
		}
		return errors.New(message)
	}
	return &control.Failure{Refusal: given.Refusal, Message: message}
}

// awaitGiven waits for the giver's report on the handover, as the course of it says. After an error the giver serves, or is gone.
func (s *Supervisor) awaitGiven(ctx context.Context, giver, taker *process) (given worker.Given, err error) {
	c := underway
	limit := time.NewTimer(s.limit(c))
	defer limit.Stop()
	beat := time.NewTicker(s.limits.beat)
	defer beat.Stop()
	giverExited, takerExited, takerServes, stopping := giver.exited, taker.exited, taker.served, ctx.Done()
	var seen signs
	for n := uint64(1); ; n++ {
		seen.expired = false
		select {
		case given = <-giver.given:
			seen.reported = true
		case <-giverExited:
			giverExited, seen.giverGone = nil, true
			select {
			case given = <-giver.given: // it reported before it ended
				seen.reported = true
			default:
			}
		case <-takerExited:
			takerExited, seen.takerGone = nil, true
		case <-takerServes:
			takerServes, seen.serves = nil, true
		case <-beat.C:
			s.beat(giver, n)
			s.beat(taker, n)
		case <-limit.C:
			seen.expired = true
		case <-stopping:
			stopping, seen.stopping = nil, true
		case <-s.late: // whatever they are at
			s.kill(giver, taker)
			return given, errLate
		}
		before, do := c, wait
		c, do = c.next(seen)
		if c != before {
			limit.Reset(s.limit(c))
		}
		switch do {
		case goOn:
			return given, nil
		case abort:
			s.log.Error("handover is aborted", "why", whyAborted(seen, s.own.Load().HandoverTimeout))
			s.tell(giver, worker.Order{Abort: true})
		case endTaker:
			s.kill(taker) // the giver notices
		case endGiver:
			s.endHung(giver, "it didn't say how the handover ended")
			return given, errors.New("the old worker didn't say how the handover ended, and was ended; a new one boots from the store")
		case moveAlone:
			return worker.Given{Handover: &sohost.Handover{
				Taker: taker.pid, Release: taker.release(), Time: time.Now(), Warning: "the old worker " + wayOut(seen) + " during the handover",
			}}, nil
		case giveUp:
			return given, errors.New("the old worker died before it could give its plugins away")
		}
	}
}

// errLate ends a handover when the server has to be gone.
var errLate = errors.New("the server stops, and the handover didn't end in time")

func whyAborted(seen signs, limit time.Duration) string {
	switch {
	case seen.stopping:
		return "the server stops"
	case seen.takerGone:
		return "the new worker has ended"
	}
	return fmt.Sprintf("it takes longer than %v", limit)
}

func wayOut(seen signs) string {
	if seen.giverGone {
		return "died"
	}
	return "said nothing more"
}

// hurry ends the oldest workers of those that have given their plugins away, if there are too many.
func (s *Supervisor) hurry(old []*process) {
	limit := cmp.Or(s.start.Load().LingerWorkers, worker.DefaultLingerWorkers)
	for _, p := range old[:max(0, len(old)-limit)] {
		s.log.Info("there are too many old workers, and the oldest ends: its last connections are cut off", "pid", p.pid, "linger_workers", limit,
			"connections", p.left.Load())
		s.tell(p, worker.Order{Hurry: true})
	}
}

// drain decides about a worker that has given its plugins away, until that has ended.
func (s *Supervisor) drain(p *process) {
	limit := time.NewTimer(cmp.Or(p.lasts, s.start.Load().ShutdownTimeout) + 2*s.limits.grace)
	defer limit.Stop()
	beat := time.NewTicker(s.limits.beat)
	defer beat.Stop()
	for n := uint64(1); !p.gone(); n++ {
		select {
		case <-p.exited:
		case <-beat.C:
			s.examine(p, n) // its last clients wait for it
		case <-limit.C:
			s.log.Error("old worker doesn't end and is killed", "pid", p.pid)
			s.kill(p)
		case <-s.late:
			s.kill(p)
		}
	}
	if !p.succeeded() {
		s.log.Error("old worker died after the handover; the requests it still had are lost", "pid", p.pid, "why", p.why())
	}
	s.links.Lock() // an upgrade passes the files on
	defer s.links.Unlock()
	p.close()
	s.mu.Lock() // lock order: links, mu
	delete(s.draining, p)
	s.mu.Unlock()
}
