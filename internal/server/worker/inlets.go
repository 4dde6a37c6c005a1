package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/passing"
)

// inlets are the sockets by which earlier processes pass connections to this one: the giver, and through it those that had given
// the plugins to it.
type inlets struct {
	log   *slog.Logger
	serve func(passed, *os.File) error // serves a connection; the file is the caller's
	tasks sync.WaitGroup               // a goroutine for each

	mu     sync.Mutex                       // guards what follows
	room   func(*os.File, files.Share) bool // whether one more file may be open
	open   map[*passing.Conn]struct{}
	outlet *outlet // where they are led, once this process has given its plugins away
	closed bool
	empty  chan struct{} // closed when the last one ends; nil while nobody waits
}

func newInlets(serve func(passed, *os.File) error, log *slog.Logger) *inlets {
	return &inlets{log: log, serve: serve, room: files.NewRoom().Has, open: map[*passing.Conn]struct{}{}}
}

// begin says that all is open now that this process has before any connection: what it has room for is counted from there.
func (i *inlets) begin() {
	room := files.NewRoom().Has
	i.mu.Lock()
	defer i.mu.Unlock()
	i.room = room
}

// add takes connections from a process until it passes no more.
func (i *inlets) add(from *passing.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		from.Close()
		return
	}
	i.open[from] = struct{}{}
	i.tasks.Go(func() {
		defer i.remove(from)
		i.take(from)
	})
	if i.outlet != nil {
		i.lead(from)
	}
}

func (i *inlets) remove(from *passing.Conn) {
	from.Close()
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.open, from)
	if len(i.open) == 0 && i.empty != nil {
		close(i.empty)
		i.empty = nil
	}
}

func (i *inlets) take(from *passing.Conn) {
	for {
		var p passed
		received, err := from.Receive(&p)
		lost := errors.Is(err, passing.ErrFilesLost)
		switch {
		case err != nil && !lost:
			return // the process has ended or passes no more, or close was called
		case len(received) == 1:
			err = i.handle(p, received[0])
		}
		passing.Close(received) // before the answer: there is room for the next
		if p.Offer != 0 {
			from.Send(passed{Answer: &offerAnswer{Offer: p.Offer, Taken: err == nil && len(received) == 1}}) // fails if nobody waits
		} else if err != nil {
			i.log.Warn("take over a connection of an old worker", "err", err)
		}
	}
}

// handle takes what an earlier process passes, or offers. Without an offer it has to be taken, whether or not there is room.
func (i *inlets) handle(p passed, f *os.File) error {
	share := files.Clients // unless it is one of these
	switch {
	case p.Forward:
		share = files.Requests
	case p.Giver:
		share = files.Sockets
	}
	i.mu.Lock()
	room := i.room
	i.mu.Unlock()
	if p.Offer != 0 && !room(f, share) {
		return errLeft
	}
	if !p.Giver {
		return i.serve(p, f)
	}
	conn, err := passing.New(f)
	if err == nil {
		i.add(conn)
	}
	return err
}

// leadOn leads all earlier processes to where the outlet leads, now and later.
func (i *inlets) leadOn(to *outlet) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outlet = to
	for from := range i.open {
		i.lead(from)
	}
}

// lead leads an earlier process to where the outlet leads. After an error it goes on passing its connections to this process,
// which passes them on. i.mu is held; both sockets have a time limit.
func (i *inlets) lead(from *passing.Conn) {
	mine, theirs, err := passing.Pair()
	if err == nil {
		var answers bool
		answers, err = i.outlet.introduce(theirs)
		theirs.Close()
		if err == nil {
			err = from.Send(passed{Onward: true, Answers: answers}, mine)
		}
		mine.Close()
	}
	if err != nil {
		i.log.Debug("an old worker is not led to the new one", "err", err) // it may have ended just now
	}
}

// wait waits until no earlier process passes anything here any more.
func (i *inlets) wait(ctx context.Context) error {
	i.mu.Lock()
	if len(i.open) == 0 {
		i.mu.Unlock()
		return nil
	}
	if i.empty == nil {
		i.empty = make(chan struct{})
	}
	empty := i.empty
	i.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the workers before: %w", context.Cause(ctx))
	}
}

// close takes nothing more from anyone.
func (i *inlets) close() {
	i.mu.Lock()
	i.closed = true
	for from := range i.open {
		from.Close()
	}
	i.mu.Unlock()
	i.tasks.Wait()
}
