package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
)

// orphanTimeout is how long a worker without a supervisor takes at most to finish: the next supervisor waits for it.
const orphanTimeout = 5 * time.Second

// worker is this process.
type worker struct {
	link    *passing.Conn
	log     *slog.Logger
	start   Start
	control *conns.Queue // of the connections of the control socket
	gives   chan give
	finish  context.Context // ends when the worker is to finish
	end     context.CancelCauseFunc

	asked atomic.Uint64
	mu    sync.Mutex // guards asks
	asks  map[uint64]chan Answer
}

// give is an order to give, with its files.
type give struct {
	Give
	taker, connections *os.File
	wanted             context.Context // ends when the worker is to keep its plugins
	keep               context.CancelCauseFunc
}

var (
	errFinish = errors.New("the supervisor says so")
	errKeep   = errors.New("the supervisor wants no handover any more")
	errOrphan = errors.New("the supervisor is gone")
)

// Run is a worker from its start to its end. It returns nil when it has finished as it was told.
func Run(newLogger func(format string, verbose bool) (*slog.Logger, error)) error {
	link, err := passing.New(os.NewFile(LinkFile, "link"))
	if err != nil {
		return fmt.Errorf("a worker is started by its supervisor, `sohost run`: %w", err)
	}
	var first Order
	files, err := link.Receive(&first)
	if err != nil || first.Start == nil || len(files) < 3 || first.Start.Takes && len(files) < 5 {
		return fmt.Errorf("no order to start from the supervisor: %v", err)
	}
	debug.SetTraceback("single") // whatever the environment says: without a trace nobody knows whose fault it was
	if err := debug.SetCrashOutput(files[2], debug.CrashOptions{}); err != nil {
		return fmt.Errorf("set crash output: %w", err)
	}
	files[2].Close()
	// The supervisor decides what a signal to all processes of the server means. Not ignored: children would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)

	log, err := newLogger(first.Start.LogFormat, first.Start.Verbose)
	if err != nil {
		return err
	}
	w := &worker{
		link: link, log: log, start: *first.Start, asks: map[uint64]chan Answer{}, gives: make(chan give, 1),
		control: conns.NewQueue(&net.UnixAddr{Name: "control", Net: "unix"}),
	}
	w.finish, w.end = context.WithCancelCause(context.Background())
	go w.obey()
	err = w.serve(files)
	if err != nil {
		link.Send(Word{Failed: err.Error()}) // a supervisor that is gone needs no word
		return &ToldError{err}
	}
	return nil
}

// ToldError is an error that the supervisor was told of.
type ToldError struct{ Err error }

func (e *ToldError) Error() string { return e.Err.Error() }

// Unwrap returns what the supervisor was told.
func (e *ToldError) Unwrap() error { return e.Err }

// obey carries out the supervisor's orders until there is none any more.
func (w *worker) obey() {
	keep := func(error) {} // the last handover ends, if it can
	for {
		var order Order
		files, err := w.link.Receive(&order)
		if err != nil {
			w.end(errOrphan)
			// Whatever holds this process up, a plugin's code perhaps, the state is the next server's by then.
			time.AfterFunc(2*orphanTimeout, func() {
				w.log.Error("the supervisor is gone, and the worker could not finish in time")
				os.Exit(1)
			})
			return
		}
		switch {
		case order.Ping != 0:
			w.link.Send(Word{Pong: order.Ping})
		case order.Control && len(files) == 1:
			w.accept(files[0])
			continue
		case order.Give != nil && len(files) == 2:
			g := give{Give: *order.Give, taker: files[0], connections: files[1]}
			g.wanted, g.keep = context.WithCancelCause(w.finish)
			keep = g.keep
			w.gives <- g
			continue
		case order.Keep:
			keep(errKeep)
		case order.Answer != nil:
			w.answer(*order.Answer)
		case order.Finish:
			w.end(errFinish)
		}
		passing.Close(files)
	}
}

func (w *worker) accept(f *os.File) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err == nil {
		err = w.control.Push(c)
	}
	if err != nil {
		w.log.Warn("control connection", "err", err)
	}
}

// ask has the supervisor hand the plugins over to a fresh worker, and waits until that is through.
func (w *worker) ask(ctx context.Context, why string) error {
	id, answer := w.asked.Add(1), make(chan Answer, 1)
	w.mu.Lock()
	w.asks[id] = answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.asks, id)
	}()
	if err := w.link.Send(Word{Ask: &Ask{ID: id, Why: why}}); err != nil {
		return err
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return errors.New(a.Error)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *worker) answer(a Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, answer := range w.asks {
		if a.ID == id || a.ID == 0 {
			answer <- a // has room for one
			delete(w.asks, id)
		}
	}
}

// limit is how long finishing may take.
func (w *worker) limit() time.Duration {
	if context.Cause(w.finish) == errOrphan {
		return min(orphanTimeout, w.start.ShutdownTimeout)
	}
	return w.start.ShutdownTimeout
}

// given is what the supervisor hears of a handover.
func given(h *sohost.Handover, err error) Word {
	if err == nil {
		return Word{Given: &Given{Handover: h}}
	}
	g := &Given{Error: err.Error()}
	errors.As(err, &g.Refusal)
	return Word{Given: g}
}
