package worker

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/listener"
)

// give hands everything over to the taker and finishes the requests that are left. It reports whether that worked; then the worker
// is done, and otherwise it still serves.
func (w *worker) give(s *server, g give) (gone bool) {
	defer g.abort(nil)
	connections, err := passing.New(g.connections)
	if err != nil {
		g.taker.Close()
		w.link.Send(given(nil, err))
		return false
	}
	out := newOutlet(connections, w.log)
	defer out.close()
	report, err := s.host.Give(g.wanted, g.taker, sohost.GiveOptions{
		Why: g.Why, Images: g.Images, Program: g.Program, LoseState: g.LoseState, Config: g.Config, Forward: out,
	})
	if err != nil {
		w.link.Send(given(nil, err))
		return false
	}
	staying, ending := s.listeners.without(g.Close)
	staying.leave()         // only here: other processes have the sockets open
	out.begin(staying.move) // to nobody in the end: it could answer no more requests
	s.inlets.leadOn(out)
	w.link.Send(given(report, nil))
	w.leave(s, ending)
	return true
}

// leave finishes the requests that are left after a handover, and keeps the connections that can't be passed on. They have as long as
// Linger says, whatever becomes of the taker: it may hand over in its turn, or die. Earlier workers had their handovers before, so
// they end before, too, unless their limits were others, and whatever can't be led around this one may pass through it until then.
// The connections of listeners that are ending are not passed on, but close when they have no request.
func (w *worker) leave(s *server, ending listeners) {
	w.leaving.Store(s)
	timeout := w.start.ShutdownTimeout
	ctx, cancel := context.WithTimeout(context.Background(), max(w.start.Linger, timeout))
	defer cancel()
	soon := time.AfterFunc(timeout, func() { // but not sooner
		select {
		case <-w.hurry:
			cancel()
		case <-ctx.Done():
		}
	})
	defer soon.Stop()
	finished := context.AfterFunc(w.finish, func() { time.AfterFunc(w.limit(), cancel) }) // the server stops, or the next one waits
	defer finished()
	closing := time.AfterFunc(timeout, s.listeners.closeIdle)
	defer closing.Stop()
	defer time.AfterFunc(timeout-min(timeout/2, 2*time.Second), w.endProfiling).Stop() // in time to be answered
	var retired sync.WaitGroup
	for _, l := range ending {
		retired.Go(func() { l.Retire(ctx, listener.FirstRequest) }) // what it doesn't end in time, the others wait for
	}
	err := s.inlets.wait(ctx) // first: what comes from there is served by the others
	retired.Wait()            // nobody else accepts what comes there until the supervisor has shut the socket
	if err = errors.Join(err, s.listeners.wait(ctx)); err != nil {
		w.log.Warn("cut off the old worker's last requests", "connections", s.listeners.len(), "why", err)
	}
	s.listeners.close()
	if err := errors.Join(s.control.Shutdown(ctx), s.host.Close(ctx)); err != nil {
		w.log.Warn("end after the handover", "err", err)
	}
}

// toNobody passes a connection to nobody, which closes it between two requests.
func toNobody(passed, *os.File) error { return nil }
