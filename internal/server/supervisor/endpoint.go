package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/console"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/metrics"
)

// Own are the settings of the supervisor itself. They change without a handover.
type Own struct {
	// Metrics is an address on which metrics and health can be asked for by HTTP. Default: none.
	Metrics string

	// Profiles has profiles of the worker asked for there, too.
	Profiles bool

	// Console is an address on which a browser gets the console; see package console. ConsoleToken is a file with its token, needed
	// for any address but loopback. Default: none.
	Console      string
	ConsoleToken string

	// ControlPath is the control socket's file, which Run removes at its end. Default: it belongs to somebody else.
	ControlPath string

	// HangTimeout is how long a worker may fail to answer before it is replaced. While nobody calls a plugin, it is asked every
	// 10 s instead of each second, or within HangTimeout if that is shorter. Default: 10 s.
	HangTimeout time.Duration

	// HandoverTimeout bounds a handover. Default: 2 min.
	HandoverTimeout time.Duration
}

// endpoint is where the supervisor itself answers.
type endpoint struct {
	what    string // that answers
	address string // as configured
	token   string // of the console
	profile bool   // answers profiles, too
	path    string // of the control socket's file, to be removed in the end
	on      net.Listener
	server  *http.Server
	files   int // that a connection may need
}

// endpoints are those of a supervisor; nil where there is none. Supervisor.mu guards its own.
type endpoints struct {
	orders, metrics, console *endpoint
}

// end lets the endpoint answer what it was asked, and then closes it.
func (e *endpoint) end(stopped <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	e.server.Shutdown(ctx)
	e.server.Close() // what streams events
}

// endTimeout bounds how long an endpoint that ends answers what it was asked before.
const endTimeout = 5 * time.Second

// orDefault returns the settings with the default for each that is zero.
func (o Own) orDefault() Own {
	o.HangTimeout = cmp.Or(o.HangTimeout, 10*time.Second)
	o.HandoverTimeout = cmp.Or(o.HandoverTimeout, 2*time.Minute)
	return o
}

// all returns those that there are.
func (es *endpoints) all() []*endpoint {
	return slices.DeleteFunc([]*endpoint{es.orders, es.metrics, es.console}, func(e *endpoint) bool { return e == nil })
}

// url returns where a browser finds the console; "" if there is none.
func (es *endpoints) url() string {
	if es.console == nil {
		return ""
	}
	return "http://" + es.console.on.Addr().String() + "/"
}

// newOrders returns the endpoint of a control socket.
func (s *Supervisor) newOrders(on net.Listener, path string) *endpoint {
	// Each connection has one to the worker, and for a moment both its ends.
	return &endpoint{what: "commands", path: path, on: on, server: control.NewProxy(s), files: 3}
}

// listenAt listens on an address. If an endpoint has it that is to end, the socket is that one's.
func listenAt(address string, before *endpoint) (on net.Listener, err error) {
	if before == nil || before.address != address {
		on, _, err = listener.Listen(address, 0)
		return on, err
	}
	f, err := fileOf(before.on)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}

func (s *Supervisor) openMetrics(address string, profiles bool, before *endpoint) (*endpoint, error) {
	on, err := listenAt(address, before)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w; name another address with --metrics", err)
	}
	var profile http.Handler
	if profiles {
		profile = control.NewProfiles(s)
	}
	return &endpoint{what: "metrics", address: address, profile: profiles, on: on, server: metrics.NewServer(s, profile), files: 3}, nil
}

func (s *Supervisor) openConsole(address, token string, before *endpoint) (*endpoint, error) {
	server, err := console.NewServer(console.Options{Address: address, Token: token, Control: control.NewHandler(s)})
	if err != nil {
		return nil, fmt.Errorf("console %s: %w", address, err)
	}
	on, err := listenAt(address, before)
	if err != nil {
		return nil, fmt.Errorf("listen for the console: %w; name another address with --console", err)
	}
	return &endpoint{what: "console", address: address, token: token, on: on, server: server, files: 4}, nil
}

// answerLocked begins to answer at an endpoint, until Run ends or it is ended; s.mu is held. A client that opens connection after
// connection must not take the files that a new worker needs.
func (s *Supervisor) answerLocked(e *endpoint) {
	if s.closed {
		e.on.Close()
		return
	}
	s.tasks.Go(func() {
		if err := e.server.Serve(files.Listener(control.Limited(e.on), e.files)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("nobody is answered any more", "who asks for", e.what, "err", err)
		}
	})
	if e.address != "" {
		s.log.Info(e.what, "url", "http://"+e.on.Addr().String()+map[string]string{"metrics": "/metrics", "console": "/"}[e.what])
	}
}

// openEndpoints begins to answer at all of them.
func (s *Supervisor) openEndpoints() error {
	o := &opening{s: s, own: *s.own.Load()}
	if err := o.openMonitoring(); err != nil {
		o.undo()
		return err
	}
	o.endpoints.orders = s.newOrders(s.opts.Control, o.own.ControlPath)
	s.mu.Lock()
	defer s.mu.Unlock()
	o.changeLocked()
	return nil
}

// closeEndpoints ends all endpoints.
func (s *Supervisor) closeEndpoints() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, e := range s.endpoints.all() {
		unlink(e.on, &e.path)
		e.server.Close()
	}
}
