package worker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/passing"
)

// outlet is where a worker that has given its plugins away passes connections and requests: to the process that serves. That is
// the taker at first. When the taker gives the plugins on, it sends a socket that leads to its own taker, and from then on this
// end uses that one. So connections take one step to where they belong, however many handovers follow each other, and no worker
// lives on only for those before it. A socket that can't be taken changes nothing: then they go by way of the taker, for as long
// as that lives.
//
// A connection that the process that serves has no room for stays, and its requests are forwarded, until there is room.
//
// Requests that are still running on a step before keep it open, and with it the worker at its end.
type outlet struct {
	log   *slog.Logger
	life  context.Context // ended by close
	end   context.CancelFunc
	gone  chan struct{}  // closed when the process that serves is gone
	tasks sync.WaitGroup // a goroutine for each step, the one that passes again, and one that opens connections ahead

	mu    sync.Mutex // guards what follows, and users and left of every step
	step  *step      // the one to take
	steps []*step    // all there ever were
}

// step is one socket of an outlet.
type step struct {
	*proxy
	offers *offers
	users  int  // requests and connections on their way
	left   bool // there is a newer one: the last user closes it
}

func newOutlet(to *passing.Conn, log *slog.Logger) *outlet {
	first := newStep(to, log)
	o := &outlet{log: log, gone: make(chan struct{}), step: first, steps: []*step{first}}
	o.life, o.end = context.WithCancel(context.Background())
	o.follow(first)
	return o
}

func newStep(to *passing.Conn, log *slog.Logger) *step {
	o := newOffers(to)
	return &step{offers: o, proxy: newProxy(o, log)}
}

// again is how often connections are passed that could not be passed before.
const again = 250 * time.Millisecond

// begin has move pass all connections, to the process that serves and, once that is gone and nothing can be passed on any more, to
// nobody. close ends that. Nothing may be passed before.
func (o *outlet) begin(move func(pass func(passed, *os.File) error)) {
	move(o.pass)
	o.tasks.Go(func() {
		tick := time.NewTicker(again)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				move(o.pass)
			case <-o.gone:
				move(toNobody)
				return
			case <-o.life.Done():
				return
			}
		}
	})
}

// follow receives what comes back on a step.
func (o *outlet) follow(s *step) {
	o.tasks.Go(func() {
		for {
			var p passed
			received, err := s.offers.to.Receive(&p)
			if errors.Is(err, passing.ErrFilesLost) { // too many are open here
				o.log.Warn("the new worker has handed over; what is left here goes by way of it", "err", err)
				continue
			}
			if err != nil {
				break
			}
			o.handle(s, p, received)
		}
		s.offers.end()
		o.mu.Lock()
		defer o.mu.Unlock()
		if s == o.step {
			close(o.gone)
		}
	})
}

// handle handles what has come back on a step.
func (o *outlet) handle(s *step, p passed, received []*os.File) {
	switch {
	case p.Answer != nil:
		s.offers.answer(*p.Answer)
	case p.Onward && len(received) == 1:
		next, err := passing.New(received[0])
		if err != nil {
			o.log.Warn("the new worker has handed over; what is left here goes by way of it", "err", err)
			return
		}
		step := newStep(next, o.log)
		step.offers.answered.Store(p.Answers)
		o.turn(step)
		o.follow(step)
		return
	case p.Answers:
		s.offers.answered.Store(true)
		if p.Ahead {
			o.tasks.Go(func() { s.openAhead(o.life) })
		}
	}
	passing.Close(received)
}

// turn makes a step the one to take.
func (o *outlet) turn(to *step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.step
	o.step, from.left = to, true
	o.steps = append(o.steps, to)
	if from.users == 0 {
		from.close()
	}
}

// take returns the step to take, which stays open until release.
func (o *outlet) take() *step {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.step.users++
	return o.step
}

func (o *outlet) release(s *step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.users--; s.users == 0 && s.left {
		s.close()
	}
}

func (s *step) close() {
	s.transport.CloseIdleConnections()
	s.offers.to.Close()
}

// pass passes a client's connection on.
func (o *outlet) pass(p passed, f *os.File) error {
	s := o.take()
	defer o.release(s)
	return s.offers.make(p, f)
}

// introduce passes on a socket by which an earlier process will pass its connections. It reports whether offers on it are answered.
func (o *outlet) introduce(f *os.File) (answers bool, err error) {
	s := o.take()
	defer o.release(s)
	return s.offers.answered.Load(), s.offers.make(passed{Giver: true}, f)
}

// ServeHTTP forwards a request.
func (o *outlet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := o.take()
	defer o.release(s)
	s.ServeHTTP(w, r)
}

// close ends the outlet, and what is still on its way.
func (o *outlet) close() {
	o.end()
	o.mu.Lock()
	for _, s := range o.steps {
		s.close()
	}
	o.mu.Unlock()
	o.tasks.Wait()
}
