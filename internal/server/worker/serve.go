package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/server/conns"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sinks"
)

// server holds what a worker serves with.
type server struct {
	host        *sohost.Host
	sinks       *sinks.Set
	backlog     *backlog.Log // nil if writes aren't kept on disk
	listeners   listeners
	handler     http.Handler  // of the listeners
	ready       chan struct{} // closed when there are a host and a handler
	forwarded   *conns.Queue  // connections on which earlier workers make requests
	connections *passing.Conn // from the giver; nil if there was none
	inlets      *inlets       // all sockets from earlier workers

	forward, control *http.Server

	tasks sync.WaitGroup // the goroutines that accept connections
}

// serve creates the Host and serves until the worker is told to finish, or has given everything away.
func (w *worker) serve(files []*os.File) error {
	s := new(server)
	var err error
	s.listeners, err = w.openListeners(w.start.sockets(files), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.ServeHTTP(w, r)
	}))
	if err != nil {
		return err
	}
	w.current.Store(s)
	options := w.hostOptions(files)
	options.Process.Connections = s.listeners.len
	if s.backlog, err = w.openBacklog(); err != nil {
		return err
	}
	if s.backlog != nil {
		defer s.backlog.Close() // which the host does, if there is one
		options.Backlog = s.backlog
	}
	feed := &feed{backlog: s.backlog}
	if s.sinks, err = w.openSinks(&options, feed); err != nil {
		return err
	}
	defer w.closeSinks(s.sinks) // after the host: plugins emit until their Close
	if len(w.start.Databases) > 0 {
		databases := query.NewSet(w.start.Databases)
		defer databases.Close()
		options.Query = func(ctx context.Context, _ string, q abi.Query) ([]abi.Table, error) { return databases.Query(ctx, q) }
	}
	if w.start.Takes {
		if s.connections, err = passing.New(files[4]); err != nil {
			return err
		}
		defer s.connections.Close()
	}
	s.beginAhead(w)
	if s.connections != nil {
		s.connections.Send(passed{Answers: true, Ahead: true}) // if that fails the giver is gone, and Take says so
		s.host, err = sohost.Take(w.finish, options, files[3])
	} else {
		s.host, err = sohost.Start(w.finish, options)
	}
	if err != nil {
		return err // and the process ends: the giver may be passing connections, which nobody waits for
	}
	feed.host.Store(s.host)
	failed := s.begin(w)
	defer s.end()
	return w.work(s, failed)
}

// hostOptions returns the options of the host, as far as the order to start has them.
func (w *worker) hostOptions(files []*os.File) sohost.Options {
	options := w.start.Options
	options.Logger, options.Events = w.log, w.teller.tell
	options.Process = &sohost.Process{
		Lock: generations.InheritLock(files[1]), Handover: w.ask, Crashes: w.start.Crashes, CrashesInARow: w.start.CrashesInARow,
		Booting: func(p sohost.BootProgress) { w.link.Send(Word{Booting: &p}) },
	}
	if n := w.start.files(); len(files) > n {
		options.Process.Calls = files[n]
	}
	return options
}

// work waits for the plugins, and then serves until the worker is told to finish, or has given everything away, or a listener fails.
func (w *worker) work(s *server, failed <-chan error) error {
	if err := w.boot(s, failed); err != nil || w.finish.Err() != nil {
		return errors.Join(err, w.stop(s))
	}
	w.serving.Store(&Serving{Release: s.host.CurrentRelease()})
	w.link.Send(Word{Serving: w.serving.Load()}) // obey notices when the supervisor is gone
	for {
		select {
		case g := <-w.gives:
			if w.give(s, g) {
				return nil
			}
			w.reserve.Hold()
		case <-w.finish.Done():
			return w.stop(s)
		case err := <-failed:
			return errors.Join(err, w.stop(s))
		}
	}
}

// openSinks opens where rows go that plugins emit, and has the host emit there.
func (w *worker) openSinks(options *sohost.Options, feed *feed) (*sinks.Set, error) {
	emitted, err := sinks.Open(w.start.Sinks, w.start.sinkDir(), w.log, feed.take)
	if err != nil {
		return nil, err
	}
	if len(w.start.Sinks) > 0 {
		options.Emit = func(ctx context.Context, plugin string, tables []abi.Table) error {
			return emitted.Write(ctx, w.start.SinksOf[plugin], tables)
		}
		options.Feeds = func(plugin string) []string { return sinks.FedTables(w.start.Sinks, w.start.SinksOf[plugin]) }
	}
	return emitted, nil
}

// sinkTimeout is how long the end of a worker waits for a request to a database. What it was to store is stored again by the next worker.
const sinkTimeout = 2 * time.Second

func (w *worker) closeSinks(s *sinks.Set) {
	ctx, cancel := context.WithTimeout(context.Background(), sinkTimeout)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		w.log.Warn("close the sinks", "err", err)
	}
}

// boot waits until all plugins are up or refused. Those that are up serve meanwhile, but only afterwards does the supervisor hear that
// the worker serves, so it is given no order before.
func (w *worker) boot(s *server, failed <-chan error) error {
	ctx, cancel := context.WithCancelCause(w.finish)
	defer cancel(nil)
	booted := make(chan error, 1)
	s.tasks.Go(func() { booted <- s.host.Booted(ctx) })
	select {
	case err := <-booted:
		if w.finish.Err() != nil { // which ends the boot
			return nil
		}
		return err
	case err := <-failed:
		return err
	}
}

// beginAhead starts to take connections from the giver. Requests on them wait until there is a host.
func (s *server) beginAhead(w *worker) {
	s.ready = make(chan struct{})
	s.forwarded = conns.NewQueue(&net.UnixAddr{Name: "workers", Net: "unix"})
	s.forward = &http.Server{
		Handler: aheadOf(s.ready, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			onBehalf(s.handler, s.host).ServeHTTP(w, r)
		})),
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
	}
	s.tasks.Go(func() { s.forward.Serve(s.forwarded) }) // until one of the two is closed
	s.inlets = newInlets(s.inherit, w.log)
	if s.connections != nil {
		s.inlets.add(s.connections)
	}
}

// begin starts to serve on all listeners. The channel gets an error when one fails.
func (s *server) begin(w *worker) (failed <-chan error) {
	s.handler = s.host
	if w.start.Writes != nil {
		s.handler = s.pointed(*w.start.Writes)
	}
	s.inlets.begin()
	close(s.ready)
	s.control = control.NewServer(w.profiling, s.host, s.sinks.Status, s.backlogStatus, s.listeners.refused)
	all := []func() error{func() error { return s.control.Serve(w.control) }}
	for _, l := range s.listeners {
		all = append(all, l.Accept, l.Inherit)
	}
	errs := make(chan error, len(all))
	for _, serve := range all {
		s.tasks.Go(func() {
			err := serve()
			switch {
			case errors.Is(err, http.ErrServerClosed), errors.Is(err, net.ErrClosed):
			case errors.Is(err, syscall.EINVAL): // the order to finish follows, unless it was a plugin
				w.log.Info("the listening socket is shut: no more connections are accepted")
			default:
				errs <- fmt.Errorf("serve: %w", err)
			}
		})
	}
	return errs
}

// end closes what is still open, and waits until no more connections are accepted.
func (s *server) end() {
	s.listeners.close()
	s.control.Close()
	s.forward.Close()
	s.inlets.close()
	s.tasks.Wait()
}

// inherit serves a connection that an earlier worker has passed on.
func (s *server) inherit(p passed, f *os.File) error {
	if p.Forward {
		return push(s.forwarded, f)
	}
	return s.listeners.inherit(p, f)
}

// stop finishes the requests and closes the host.
func (w *worker) stop(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.limit())
	defer cancel()
	err := errors.Join(s.listeners.shutdown(ctx, context.Cause(w.finish) == errOrphan), s.forward.Shutdown(ctx), s.control.Shutdown(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the requests that still ran after %v were cut off (--shutdown-timeout)", w.limit())
	}
	return errors.Join(err, s.host.Close(ctx))
}
