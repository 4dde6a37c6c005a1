package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// request is a wish for a handover that waits.
type request struct {
	control.HandoverRequest
	config  *Configured // differs from the one that serves; nil: that stays
	only    bool        // the configuration differs in what the supervisor itself has; there is no handover
	program *program    // at the path Program, open; nil also if that is this process's own
	reads   bool        // the program takes up the configuration when it takes this one's place
	from    *process    // the worker that asks; nil: somebody else
	done    chan answer // takes one without blocking
}

// special reports whether the request wants more than any new worker.
func (r *request) special() bool { return r.Program != "" || len(r.Images) > 0 || r.config != nil }

type answer struct {
	handover *sohost.Handover
	err      error
}

// Handover moves the plugins to a new worker, and returns when that serves or when the handover has failed; then the old worker
// still serves. There is one handover at a time. A request that arrives during one is answered with its result, unless the
// request names a program or images, or takes up a configuration: those get a handover of their own afterwards.
//
// The configuration is read again, as by Reload, and taken up in the handover; one that can't be refuses it. KeepConfig leaves it as it
// is, as do the handovers that nobody has ordered. Another program reads it itself, see handoverProgram.
func (s *Supervisor) Handover(ctx context.Context, r control.HandoverRequest) (*sohost.Handover, error) {
	asked := &request{HandoverRequest: r, done: make(chan answer, 1)}
	if r.Program != "" {
		var err error // here, since Run's goroutine mustn't wait for a file
		if asked.program, err = openProgram(ctx, r.Program); err != nil {
			s.log.Error("handover failed; the old worker still serves", "why", r.Why, "err", err)
			s.noteFailure(r.Why, err)
			return nil, err
		}
	}
	if r.KeepConfig || s.opts.Reread == nil {
		return s.request(ctx, asked)
	}
	if asked.program != nil {
		return s.handoverProgram(ctx, asked)
	}
	return s.handoverReread(ctx, asked)
}

// handoverProgram is Handover to another program. That may know settings that this one doesn't, so it is the one that reads the
// configuration: now, only to say whether it can, and again when it has passed its probation and takes this one's place. Until then what
// serves stays, to which the program before can go back.
func (s *Supervisor) handoverProgram(ctx context.Context, asked *request) (*sohost.Handover, error) {
	if err := s.rehearse(ctx, asked.program, true); err != nil {
		asked.program.close()
		if gone := context.Cause(ctx); gone != nil { // the program has found no fault
			return nil, gone
		}
		err = fmt.Errorf("program %s: %w\nnothing is handed over: mend the configuration, or go on with the one that serves by `sohost handover --keep-config`",
			asked.Program, err)
		s.configFailed(asked.Why, Reading{}, err)
		return nil, refusedReading(err)
	}
	asked.reads = true
	return s.request(ctx, asked)
}

// handoverReread is Handover with the configuration read again, by this program and for it.
func (s *Supervisor) handoverReread(ctx context.Context, asked *request) (h *sohost.Handover, err error) {
	if err := s.takeTurn(ctx); err != nil {
		return nil, err
	}
	endTurn := sync.OnceFunc(s.endTurn)
	defer endTurn()
	next, news, err := s.reread(Reading{})
	if err != nil {
		err = fmt.Errorf("%w\nnothing is handed over: mend the configuration, or go on with the one that serves by `sohost handover --keep-config`", err)
		s.configFailed(asked.Why, next.reading, err)
		return nil, refusedReading(err)
	}
	var warning string
	if news {
		h, warning, err = s.takeUp(ctx, next, asked)
	} else if warning, err = s.takeUpAlone(ctx, next, asked.Why); err == nil {
		endTurn() // requests that take nothing up share a handover
		h, err = s.request(ctx, asked)
	}
	if err != nil || warning == "" {
		return h, err
	}
	told := *h // the status has h
	told.Warning = strings.Join(slices.DeleteFunc([]string{h.Warning, warning}, func(w string) bool { return w == "" }), "; ")
	return &told, nil
}

// request lets Run's goroutine carry out a request, and waits for the answer.
func (s *Supervisor) request(ctx context.Context, r *request) (*sohost.Handover, error) {
	select {
	case s.requests <- r:
	case <-ctx.Done():
		r.program.close()
		return nil, context.Cause(ctx)
	case <-s.stopped:
		r.program.close()
		return nil, control.ErrStopping
	}
	select {
	case a := <-r.done: // Run answers all that it took before it returns
		return a.handover, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// relay passes a worker's requests on to Run's goroutine, and the answers back, until the worker is gone.
func (s *Supervisor) relay(p *process) {
	for ask := range p.asks {
		s.tasks.Go(func() {
			told := worker.Answer{ID: ask.ID}
			if _, err := s.request(context.Background(), &request{
				HandoverRequest: control.HandoverRequest{Why: ask.Why}, from: p, done: make(chan answer, 1),
			}); err != nil {
				told.Error = err.Error()
			}
			p.link.Send(worker.Order{Answer: &told}) // fails only when the worker is gone
		})
	}
}

// arrived returns the requests that came while a handover was under way.
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

// join answers those of the waiting requests that are settled by the handover for one of them, and returns the others.
func (s *Supervisor) join(waiting []*request, made *request, a answer, through bool) (left []*request) {
	for _, r := range waiting {
		switch {
		case r == made:
			r.done <- a
		case r.from != nil && r.from.gone():
			r.done <- answer{} // nobody waits for it
		case r.from != nil && through: // what it wanted done in the old worker has to be asked for in the new one
			r.done <- answer{}
		case r.from == nil && !r.special():
			r.done <- a
		default:
			left = append(left, r)
		}
	}
	return left
}
