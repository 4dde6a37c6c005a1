package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/server/listener"
)

// listeners are the sockets on which a worker serves clients.
type listeners []*listener.Server

// openListeners opens the sockets of the order to start. The files are theirs.
func (w *worker) openListeners(sockets []*os.File, handler http.Handler) (all listeners, err error) {
	settings := w.start.Listeners
	if len(settings) == 0 {
		settings = []listener.Settings{{Name: listener.Plain}}
	}
	errorLog := slog.NewLogLogger(w.log.Handler(), slog.LevelWarn)
	for i, f := range sockets {
		on, err := net.FileListener(f)
		if err == nil {
			err = fault.Error("listener", "http")
		}
		if err != nil {
			return nil, fmt.Errorf("listen for HTTP: %w", err)
		}
		f.Close()
		s, err := listener.New(on, settings[i], w.start.Clients, handler, errorLog)
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", settings[i].Name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// of returns the one with a name; the first one's may be empty, from a program that has no other.
func (ls listeners) of(name string) (*listener.Server, error) {
	for i, l := range ls {
		if l.Name() == name || name == "" && i == 0 {
			return l, nil
		}
	}
	return nil, fmt.Errorf("there is no listener %s any more", name)
}

// inherit serves a client's connection that an earlier worker has passed on.
func (ls listeners) inherit(p passed, f *os.File) error {
	l, err := ls.of(p.Listener)
	if err == nil && l.Secure() != p.Secure {
		err = fmt.Errorf("the listener %s has other settings now", p.Listener)
	}
	if err != nil {
		return err
	}
	return push(l, f)
}

// move passes the connections on, those of each socket under its name.
func (ls listeners) move(pass func(passed, *os.File) error) {
	for _, l := range ls {
		p := passed{Listener: l.Name(), Secure: l.Secure()}
		l.Move(func(f *os.File) error { return pass(p, f) })
	}
}

// without returns the listeners but those of some names, and those.
func (ls listeners) without(names []string) (staying, ending listeners) {
	for _, l := range ls {
		if slices.Contains(names, l.Name()) {
			ending = append(ending, l)
		} else {
			staying = append(staying, l)
		}
	}
	return staying, ending
}

// leave accepts no more connections, and has the clients of those that can't be passed on open new ones.
func (ls listeners) leave() {
	for _, l := range ls {
		l.StopAccepting()
		l.Leave()
	}
}

func (ls listeners) len() (n int) {
	for _, l := range ls {
		n += l.Len()
	}
	return n
}

// refused returns how many connections each has closed because their address had too many.
func (ls listeners) refused() map[string]int64 {
	all := map[string]int64{}
	for _, l := range ls {
		all[l.Name()] = l.Refused()
	}
	return all
}

// closeIdle closes connections that can't be passed on and have no request, now and later.
func (ls listeners) closeIdle() {
	for _, l := range ls {
		l.CloseIdle()
	}
}

// wait waits until no connection is left, or until ctx ends.
func (ls listeners) wait(ctx context.Context) error {
	var errs []error
	for _, l := range ls {
		errs = append(errs, l.Wait(ctx))
	}
	return errors.Join(errs...)
}

// shutdown finishes the requests and accepts no others.
func (ls listeners) shutdown(ctx context.Context, orphan bool) error {
	first := listener.FirstRequest
	if orphan { // the next server is waiting
		first = 0
	}
	done := make(chan error)
	for _, l := range ls {
		go func() { done <- l.Shutdown(ctx, first) }()
	}
	var errs []error
	for range ls {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

func (ls listeners) close() {
	for _, l := range ls {
		l.Close()
	}
}

// use has a listener use another certificate. One that can't be used was refused by the supervisor.
func (w *worker) use(n NewPair) {
	s := w.current.Load()
	if s == nil { // it has only begun, and is told again once it serves
		return
	}
	l, err := s.listeners.of(n.Listener)
	if err == nil {
		err = l.SetPair(n.Pair)
	}
	if err != nil {
		w.log.Warn("use another certificate", "listener", n.Listener, "err", err)
	}
}
