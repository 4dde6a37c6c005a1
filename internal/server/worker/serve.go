package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
	"github.com/sohost/sohost/internal/server/control"
)

// idleTimeout is how long a keep-alive connection may be without a request.
const idleTimeout = 3 * time.Minute

// server is what a worker serves with.
type server struct {
	host      *sohost.Host
	listener  net.Listener
	accepted  *conns.Set   // clients' connections that this process has accepted
	passedOn  *conns.Set   // and those that the giver has passed on
	inherited *conns.Queue // by which these come
	forwarded *conns.Queue // connections by which the giver makes requests

	public, forward, control *http.Server
}

// serve makes the Host and serves until the worker is told to finish, or has given everything away.
func (w *worker) serve(files []*os.File) error {
	listener, err := net.FileListener(files[0])
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	files[0].Close()
	options := w.start.Options
	options.Logger = w.log
	options.Process = &sohost.Process{
		Lock: generations.InheritLock(files[1]), Handover: w.ask, Crashes: w.start.Crashes, CrashesInARow: w.start.CrashesInARow,
	}

	s := &server{accepted: conns.NewSet(idleTimeout), passedOn: conns.NewSet(idleTimeout), listener: listener}
	var connections *passing.Conn
	if w.start.Takes {
		if connections, err = passing.New(files[4]); err != nil {
			return err
		}
		s.host, err = sohost.Take(w.finish, options, files[3])
	} else {
		s.host, err = sohost.New(w.finish, options)
	}
	if err != nil {
		return err
	}
	failed := s.begin(w)
	if connections != nil {
		go s.inherit(connections, w.log)
	}
	w.link.Send(Word{Serving: &Serving{Release: s.host.CurrentRelease()}}) // obey notices when there is no supervisor any more
	for {
		select {
		case g := <-w.gives:
			if w.give(s, g) {
				return nil
			}
		case <-w.finish.Done():
			return w.stop(s)
		case err := <-failed:
			return errors.Join(err, w.stop(s))
		}
	}
}

// begin serves on all listeners. The channel tells of one that has failed.
func (s *server) begin(w *worker) (failed <-chan error) {
	s.inherited, s.forwarded = conns.NewQueue(s.listener.Addr()), conns.NewQueue(s.listener.Addr())
	errorLog := slog.NewLogLogger(w.log.Handler(), slog.LevelWarn)
	s.public = &http.Server{
		Handler: s.host, ConnState: s.accepted.ConnState, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: idleTimeout, ErrorLog: errorLog,
	}
	s.forward = &http.Server{Handler: onBehalf(s.host), ErrorLog: errorLog}
	s.control = control.NewServer(s.host)
	errs := make(chan error, 4)
	for _, serve := range []struct {
		server *http.Server
		on     net.Listener
	}{
		{s.public, s.accepted.Listener(s.listener)}, {s.public, s.passedOn.Listener(s.inherited)},
		{s.forward, s.forwarded}, {s.control, w.control},
	} {
		go func() {
			if err := serve.server.Serve(serve.on); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				errs <- fmt.Errorf("serve: %w", err)
			}
		}()
	}
	return errs
}

// inherit takes the giver's connections until there are none.
func (s *server) inherit(connections *passing.Conn, log *slog.Logger) {
	defer connections.Close()
	for {
		var p passed
		files, err := connections.Receive(&p)
		if err != nil {
			return // the giver has ended
		}
		to := s.inherited
		if p.Forward {
			to = s.forwarded
		}
		for _, f := range files {
			c, err := net.FileConn(f)
			if err == nil {
				err = to.Push(c)
			}
			if err != nil {
				log.Warn("connection of the process before", "err", err)
			}
			f.Close()
		}
	}
}

// stop finishes the requests and closes the host.
func (w *worker) stop(s *server) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.limit())
	defer cancel()
	// Shutdown gives connections 5 s for their first request, and for it all are new that were passed on to this process and have
	// been idle since. Those between two requests are passed on again, to nobody.
	nobody := func(*os.File) error { return nil }
	s.passedOn.Move(nobody)
	if context.Cause(w.finish) == errOrphan { // the next server waits
		s.accepted.Move(nobody)
	}
	return errors.Join(s.public.Shutdown(ctx), s.forward.Shutdown(ctx), s.control.Shutdown(ctx), s.host.Close(ctx))
}

// give gives all to the taker, and says whether that worked: the worker is at its end then.
func (w *worker) give(s *server, g give) (gone bool) {
	defer g.keep(nil)
	connections, err := passing.New(g.connections)
	if err != nil {
		g.taker.Close()
		w.link.Send(given(nil, err))
		return false
	}
	defer connections.Close()
	proxy := newProxy(connections, w.log)
	report, err := s.host.Give(g.wanted, g.taker, sohost.GiveOptions{
		Why: g.Why, Images: g.Images, Program: g.Program, Forward: proxy,
	})
	if err != nil {
		w.link.Send(given(nil, err))
		return false
	}
	s.listener.Close() // here alone: the socket is open in other processes
	for _, set := range []*conns.Set{s.accepted, s.passedOn} {
		set.Move(func(f *os.File) error { return connections.Send(passed{}, f) })
	}
	w.link.Send(given(report, nil))

	ctx, cancel := context.WithTimeout(context.Background(), w.start.ShutdownTimeout)
	defer cancel()
	stop := context.AfterFunc(w.finish, cancel) // when the server ends, nobody waits for the last requests twice
	defer stop()
	go func() { // the taker never says a word here: it has died, and nothing can be forwarded any more
		connections.Receive(new(passed))
		cancel()
	}()
	if err := errors.Join(s.accepted.Wait(ctx), s.passedOn.Wait(ctx)); err != nil {
		w.log.Warn("requests of the process that gave its plugins away are cut off", "connections", s.accepted.Len()+s.passedOn.Len())
	}
	proxy.close()
	s.public.Close()
	if err := errors.Join(s.control.Shutdown(ctx), s.host.Close(ctx)); err != nil {
		w.log.Warn("end after the handover", "err", err)
	}
	return true
}
