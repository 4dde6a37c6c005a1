package worker

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/sohost/sohost/internal/passing"
)

// outlet is where a worker that has given its plugins away passes connections and requests: to the process that serves. That is
// the taker at first. When the taker gives the plugins on, it sends a socket that leads to its own taker, and from then on this
// end uses that one. So connections take one step to where they belong, however many handovers follow each other, and no worker
// lives on only for those before it. A socket that can't be taken changes nothing: then they go by way of the taker, for as long
// as that lives.
//
// Requests that are still running on a step before keep it open, and with it the worker at its end.
type outlet struct {
	log   *slog.Logger
	tasks sync.WaitGroup // the goroutine that follows

	mu   sync.Mutex // guards step, and users and left of every step
	step *step
}

// step is one socket of an outlet.
type step struct {
	*proxy
	conn  *passing.Conn
	users int  // requests and connections on their way
	left  bool // there is a newer one: the last user closes it
}

func newOutlet(to *passing.Conn, log *slog.Logger) *outlet {
	return &outlet{log: log, step: newStep(to, log)}
}

func newStep(to *passing.Conn, log *slog.Logger) *step {
	return &step{conn: to, proxy: newProxy(to, log)}
}

// follow begins to watch for the taker's own handover. When the process that serves is gone, and nothing can be passed on any
// more, it calls gone. close ends it, too.
func (o *outlet) follow(gone func()) {
	o.tasks.Go(func() {
		defer gone()
		for conn := o.step.conn; ; {
			var p passed
			files, err := conn.Receive(&p)
			switch {
			case errors.Is(err, passing.ErrFilesLost): // too many are open here
				o.log.Warn("the new worker has handed over; what is left here goes by way of it", "err", err)
				continue
			case err != nil:
				return
			case !p.Onward || len(files) != 1:
				passing.Close(files)
				continue
			}
			next, err := passing.New(files[0])
			if err != nil {
				o.log.Warn("the new worker has handed over; what is left here goes by way of it", "err", err)
				continue
			}
			conn = next
			o.turn(newStep(next, o.log))
		}
	})
}

// turn makes a step the one to take.
func (o *outlet) turn(to *step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.step
	o.step, from.left = to, true
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
	s.conn.Close()
}

// pass passes a client's connection on.
func (o *outlet) pass(f *os.File) error {
	s := o.take()
	defer o.release(s)
	return s.conn.Send(passed{}, f)
}

// introduce passes on a socket by which an earlier process will pass its connections.
func (o *outlet) introduce(f *os.File) error {
	s := o.take()
	defer o.release(s)
	return s.conn.Send(passed{Giver: true}, f)
}

// ServeHTTP forwards a request.
func (o *outlet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := o.take()
	defer o.release(s)
	s.ServeHTTP(w, r)
}

// close ends the outlet, and what is still on its way.
func (o *outlet) close() {
	o.mu.Lock()
	o.step.close()
	o.mu.Unlock()
	o.tasks.Wait()
}
