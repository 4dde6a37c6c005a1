package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// request is a wish for a handover that waits.
type request struct {
	control.HandoverRequest
	from *process    // the worker that asks; nil: somebody else
	done chan answer // takes one without blocking
}

// special says whether the request wants more than any fresh worker.
func (r *request) special() bool { return r.Program != "" || len(r.Images) > 0 }

type answer struct {
	handover *sohost.Handover
	err      error
}

// ErrStopping is returned when the server ends.
var ErrStopping = errors.New("the server is stopping")

// Handover brings the plugins into a fresh worker, and returns when that serves or when it has failed; the worker that served
// serves on then. There is one handover at a time: a request that comes during another is answered with that, unless it wants
// an image or a program of its own.
func (s *Supervisor) Handover(ctx context.Context, r control.HandoverRequest) (*sohost.Handover, error) {
	return s.request(ctx, &request{HandoverRequest: r, done: make(chan answer, 1)})
}

// request has Run's goroutine carry out a wish.
func (s *Supervisor) request(ctx context.Context, waiting *request) (*sohost.Handover, error) {
	select {
	case s.requests <- waiting:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case a := <-waiting.done:
		return a.handover, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// relay brings a worker's wishes for a handover to Run's goroutine.
func (s *Supervisor) relay(p *process) {
	for ask := range p.asks {
		go func() {
			told := worker.Answer{ID: ask.ID}
			if _, err := s.request(context.Background(), &request{
				HandoverRequest: control.HandoverRequest{Why: ask.Why}, from: p, done: make(chan answer, 1),
			}); err != nil {
				told.Error = err.Error()
			}
			p.link.Send(worker.Order{Answer: &told})
		}()
	}
}

// arrived are the requests that came while a handover was under way.
func (s *Supervisor) arrived() (rs []*request) {
	for {
		select {
		case r := <-s.requests:
			rs = append(rs, r)
		default:
			return rs
		}
	}
}

// join answers those of the waiting requests for which a handover counts that was made for one of them. The others wait on.
func (s *Supervisor) join(waiting []*request, made *request, a answer, through bool) (left []*request) {
	for _, r := range waiting {
		switch {
		case r == made:
			r.done <- a
		case r.from != nil && r.from.gone(): // nobody waits for it
		case r.from != nil && through: // what it wanted done here has to be asked for there
			r.done <- answer{}
		case r.from == nil && !r.special():
			r.done <- a
		default:
			left = append(left, r)
		}
	}
	return left
}

// handover carries out a request. It returns the worker that serves afterwards.
func (s *Supervisor) handover(ctx context.Context, giver *process, r *request) (*process, answer) {
	if r.from != nil && r.from != giver {
		return giver, answer{} // it was replaced already
	}
	s.notify(s.opts.Notifier.Reloading())
	s.log.Info("handover begins", "why", r.Why)
	taker, report, err := s.exchange(ctx, giver, r)
	if err != nil {
		s.log.Error("handover failed; the worker that served serves on", "why", r.Why, "err", err)
		s.mu.Lock()
		s.failure = &control.FailedHandover{Time: time.Now(), Why: r.Why, Error: err.Error()}
		s.mu.Unlock()
		return giver, answer{err: err}
	}
	if r.Program != "" {
		s.program, s.upgrades = r.Program, true
	}
	s.mu.Lock()
	s.last, s.failure = report, nil
	s.row = 0
	s.draining[giver] = struct{}{}
	s.mu.Unlock()
	go s.drain(giver)
	return taker, answer{handover: report}
}

// logHandover tells of one that is through.
func (s *Supervisor) logHandover(h *sohost.Handover) {
	p := h.Phases
	s.log.Info("handover", "why", h.Why, "from", h.Giver, "to", h.Taker, "total", time.Since(h.Time), "prepare", p.Prepare,
		"drain", p.Drain, "state", p.State, "commit", p.Commit, "publish", p.Publish)
}

// exchange has the giver hand over to a fresh worker. After an error the giver serves on, or has died.
func (s *Supervisor) exchange(ctx context.Context, giver *process, r *request) (*process, *sohost.Handover, error) {
	var taker *process
	var err error
	if r.Program != "" {
		taker, err = spawn(r.Program)
	} else {
		taker, err = s.spawn()
	}
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*process, *sohost.Handover, error) {
		taker.kill()
		taker.close()
		return nil, nil, err
	}
	var ends []*os.File // of two pairs: that of the handover, that of the connections
	defer func() { passing.Close(ends) }()
	for range 2 {
		a, b, err := passing.Pair()
		if err != nil {
			return fail(err)
		}
		ends = append(ends, a, b)
	}
	start := s.opts.Start
	start.Takes = true
	if err := taker.link.Send(worker.Order{Start: &start}, s.public, s.opts.Lock.File(), taker.output, ends[0], ends[2]); err != nil {
		select {
		case <-taker.exited: // it has closed its end
		case <-time.After(grace):
			taker.kill()
		}
		return fail(fmt.Errorf("the fresh process has ended before it knew what to serve (why: %s); name a program with --binary that is a sohost",
			taker.why()))
	}
	give := worker.Give{Why: r.Why, Program: r.Program, Images: r.Images}
	if err := giver.link.Send(worker.Order{Give: &give}, ends[1], ends[3]); err != nil {
		return fail(fmt.Errorf("the worker that serves has ended: %w", err))
	}
	passing.Close(ends) // so that each of the two sees the other's end
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

// whyFailed tells why the giver has kept the plugins. The giver sees no more of a taker that died than that it is gone.
func (s *Supervisor) whyFailed(given worker.Given, taker *process) error {
	message := given.Error
	if given.Refusal == nil {
		select {
		case <-taker.exited:
			if !taker.succeeded() {
				message = fmt.Sprintf("%s (why: %s)", message, taker.why())
			}
		case <-time.After(100 * time.Millisecond): // it lives
		}
		return errors.New(message)
	}
	return &control.Failure{Refusal: given.Refusal, Message: message}
}

// awaitGiven waits for the giver's word on the handover. If the giver dies instead, the taker's counts: whether the giver has
// given its plugins away shows in whether the taker serves.
func (s *Supervisor) awaitGiven(ctx context.Context, giver, taker *process) (given worker.Given, err error) {
	timeout := time.NewTimer(s.opts.HandoverTimeout)
	defer timeout.Stop()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	done := ctx.Done()
	// The giver alone knows whether there is still something to keep. A taker that is killed may be the one that has everything.
	keep := func() {
		done = nil
		giver.link.Send(worker.Order{Keep: true}) // one that is gone keeps nothing
		timeout.Reset(2 * grace)
	}
	for n := uint64(1); ; n++ {
		select {
		case given = <-giver.given:
			return given, nil
		case <-giver.exited:
			<-giver.silent
			select {
			case given = <-giver.given: // its last word
				return given, nil
			default:
			}
			return s.awaitTaker(taker)
		case <-beat.C:
			s.beat(giver, n)
			s.beat(taker, n)
		case <-timeout.C:
			if done != nil {
				s.log.Error("handover takes too long", "limit", s.opts.HandoverTimeout)
				keep()
				continue
			}
			if len(taker.served) > 0 {
				return s.awaitTaker(taker)
			}
			taker.kill() // the giver notices
		case <-done:
			keep()
		}
	}
}

// awaitTaker waits until the taker of a giver that died either serves or ends.
func (s *Supervisor) awaitTaker(taker *process) (worker.Given, error) {
	select {
	case serving := <-taker.served:
		taker.served <- serving
		return worker.Given{Handover: &sohost.Handover{
			Taker: taker.pid, Release: serving.Release, Time: time.Now(), Warning: "the worker that gave its plugins away died meanwhile",
		}}, nil
	case <-taker.exited:
	case <-time.After(grace):
	}
	return worker.Given{}, errors.New("the worker that serves has died, before it could give its plugins away")
}

// drain waits until a worker that has given its plugins away has ended.
func (s *Supervisor) drain(p *process) {
	limit := time.NewTimer(s.opts.Start.ShutdownTimeout + 2*grace)
	defer limit.Stop()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for n := uint64(1); !p.gone(); n++ {
		select {
		case <-p.exited:
		case <-beat.C:
			s.examine(p, n) // its last clients wait for it
		case <-limit.C:
			s.log.Error("a worker that has given its plugins away doesn't end, and is killed", "pid", p.pid)
			p.kill()
		}
	}
	if !p.succeeded() {
		s.log.Error("a worker that has given its plugins away died; the requests that it still had are lost", "pid", p.pid, "why", p.why())
	}
	p.close()
	s.mu.Lock()
	delete(s.draining, p)
	s.mu.Unlock()
}
