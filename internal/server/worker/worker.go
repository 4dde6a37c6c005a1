package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
)

// orphanTimeout bounds how long a worker without a supervisor takes to finish: the next supervisor waits for it.
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

	profiling    context.Context    // within finish
	endProfiling context.CancelFunc // ends CPU profiles

	serving atomic.Pointer[Serving] // once it serves; each pong repeats it
	reserve files.Reserve           // for a handover
	left    chan struct{}           // closed when nothing is left to do
	spare   []byte                  // of newHeadroom
	current atomic.Pointer[server]  // what serves, for new certificates
	leaving atomic.Pointer[server]  // the same, once its plugins are given away
	hurry   chan struct{}           // closed when the server wants no more of what lingers
	teller  *teller

	asked atomic.Uint64
	mu    sync.Mutex // guards asks
	asks  map[uint64]chan Answer
}

// give is an order to give, with its files.
type give struct {
	Give
	taker, connections *os.File
	wanted             context.Context // ends when the handover is to be aborted
	abort              context.CancelCauseFunc
}

var (
	errFinish  = errors.New("the supervisor told the worker to finish")
	errAbort   = errors.New("the supervisor aborted the handover")
	errNoFiles = errors.New("the order to hand over came without its files: the worker may open no more")
	errOrphan  = errors.New("the supervisor is gone")
)

// maxStack is how large the stack of a goroutine may become, in bytes, unless a plugin sets another limit. With Go's own limit, 1 GB, an
// endless recursion takes ten seconds and more in a worker with many images, in which no other goroutine can stop for the garbage
// collector: then the worker hangs, rather than crash.
const maxStack = 64 << 20

// Run is a worker from its start to its end. It returns nil when the worker has finished as it was told, and a *ToldError if the
// supervisor knows of the error already.
func Run(newLogger func(format string, verbose bool) (*slog.Logger, error)) error {
	link, err := passing.New(os.NewFile(LinkFile, "link"))
	if err != nil {
		return fmt.Errorf("a worker is started by its supervisor, `sohost run`: %w", err)
	}
	defer link.Close()
	start, files, err := receiveStart(link)
	if err != nil {
		return err
	}
	debug.SetTraceback("single") // whatever the environment says: without a stack nobody knows which image is to blame
	if err := debug.SetCrashOutput(files[2], debug.CrashOptions{}); err != nil {
		return fmt.Errorf("set crash output: %w", err)
	}
	files[2].Close()
	debug.SetMaxStack(maxStack)
	// The supervisor decides what a signal to the whole process group means. The signals are not ignored, since children would
	// inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)

	log, err := newLogger(start.LogFormat, start.Verbose)
	if err != nil {
		return err
	}
	w := &worker{
		link: link, log: log, start: *start, asks: map[uint64]chan Answer{}, gives: make(chan give, 1), left: make(chan struct{}),
		hurry:   make(chan struct{}),
		control: conns.NewQueue(&net.UnixAddr{Name: "control", Net: "unix"}), spare: newHeadroom(),
	}
	defer runtime.KeepAlive(w)
	w.finish, w.end = context.WithCancelCause(context.Background())
	w.profiling, w.endProfiling = context.WithCancel(w.finish)
	defer w.endProfiling()
	w.reserve.Hold()
	var obeying sync.WaitGroup
	obeying.Go(w.obey)
	w.teller = w.tellEvents()
	if err = w.serve(files); err != nil {
		link.Send(Word{Failed: err.Error()}) // fails only when the supervisor is gone
		err = &ToldError{err}
	}
	close(w.left)
	w.teller.end()
	link.Close()
	w.control.Close()
	obeying.Wait()
	return err
}

// receiveStart waits for the supervisor's first order.
func receiveStart(link *passing.Conn) (*Start, []*os.File, error) {
	var first Order
	files, err := link.Receive(&first)
	if err != nil {
		return nil, nil, fmt.Errorf("wait for the supervisor's order to start: %w", err)
	}
	if first.Start == nil {
		return nil, nil, errors.New("the supervisor's first order is not the one to start")
	}
	if more := len(first.Start.Listeners) - 1; more > 0 {
		if want := first.Start.files() + 1 + more; len(files) != want {
			return nil, nil, fmt.Errorf("the supervisor's order to start has %d files, want %d", len(files), want)
		}
	}
	if want := first.Start.files(); len(files) < want {
		return nil, nil, fmt.Errorf("the supervisor's order to start has %d files, want %d", len(files), want)
	}
	return first.Start, files, nil
}

// sockets returns the files of the listening sockets: the first one, and behind all else the others.
func (s *Start) sockets(files []*os.File) []*os.File {
	return append(files[:1:1], files[min(s.files()+1, len(files)):]...)
}

// files returns how many files come with the order, not counting the one for Process.Calls and those of further sockets.
func (s *Start) files() int {
	if s.Takes {
		return 5
	}
	return 3
}

// ToldError is an error that the worker has reported to its supervisor.
type ToldError struct{ Err error }

func (e *ToldError) Error() string { return e.Err.Error() }

// Unwrap returns the error that was reported.
func (e *ToldError) Unwrap() error { return e.Err }

// obey carries out the supervisor's orders until the link ends.
func (w *worker) obey() {
	abort := func(error) {} // aborts the last handover
	hurry := sync.OnceFunc(func() { close(w.hurry) })
	for {
		var order Order
		files, err := w.link.Receive(&order)
		if errors.Is(err, passing.ErrFilesLost) { // below it is an order without its files
			w.log.Error("an order from the supervisor", "err", err)
			err = nil
		}
		if err != nil {
			break
		}
		switch {
		case order.Ping != 0:
			w.link.Send(w.pong(order.Ping))
		case order.Control && len(files) == 1:
			w.accept(files[0])
			continue
		case order.Room:
			w.reserve.Release()
		case order.Give != nil && len(files) != 2: // without an answer the supervisor would wait for its limit
			w.link.Send(given(nil, errNoFiles))
		case order.Give != nil:
			g := give{Give: *order.Give, taker: files[0], connections: files[1]}
			g.wanted, g.abort = context.WithCancelCause(w.finish)
			abort = g.abort
			select {
			case w.gives <- g:
				continue
			case <-w.left:
			}
		case order.Abort:
			abort(errAbort)
		case order.Answer != nil:
			w.answer(*order.Answer)
		case order.Finish:
			w.end(errFinish)
		case order.Hurry:
			hurry()
		case order.Pair != nil:
			w.use(*order.Pair)
		}
		passing.Close(files)
	}
	w.end(errOrphan)
	select {
	case <-w.left:
	case <-time.After(2 * orphanTimeout):
		// Whatever blocks this process, a plugin's code perhaps, the store now belongs to the next server.
		w.log.Error("the supervisor is gone, and the worker could not finish in time")
		os.Exit(1)
	}
}

// pong answers a ping.
func (w *worker) pong(n uint64) Word {
	word := Word{Pong: n, Serving: w.serving.Load()}
	if s := w.leaving.Load(); s != nil {
		word.Left = &Left{Connections: s.listeners.len()}
	}
	return word
}

// accept serves a connection of the control socket.
func (w *worker) accept(f *os.File) {
	defer f.Close()
	if err := push(w.control, f); err != nil {
		w.log.Warn("accept a control connection", "err", err)
	}
}

// push serves the connection that f is.
func push(to interface{ Push(net.Conn) error }, f *os.File) error {
	if err := fault.Error("connection", "passed on"); err != nil {
		return err
	}
	c, err := net.FileConn(f)
	if err != nil {
		return err
	}
	if err := to.Push(c); err != nil {
		c.Close()
		return err
	}
	return nil
}

// limit returns how long finishing may take.
func (w *worker) limit() time.Duration {
	if context.Cause(w.finish) == errOrphan {
		return min(orphanTimeout, w.start.ShutdownTimeout)
	}
	return w.start.ShutdownTimeout
}

// given returns the report on a handover.
func given(h *sohost.Handover, err error) Word {
	if err == nil {
		return Word{Given: &Given{Handover: h}}
	}
	g := &Given{Error: err.Error()}
	errors.As(err, &g.Refusal)
	g.Unwritable = errors.Is(err, sohost.ErrUnwritable)
	return Word{Given: g}
}
