package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/metrics"
)

// answerMetrics begins to answer monitoring until Run ends. Only the first program of a server fails for an address that it can't have:
// after an upgrade, requests are worth more.
func (s *Supervisor) answerMetrics() (end func(), err error) {
	if s.opts.Metrics == "" {
		return func() {}, nil
	}
	on, err := net.Listen("tcp", s.opts.Metrics)
	if err != nil && s.resumed != nil {
		s.log.Error("metrics and health can't be asked for", "address", s.opts.Metrics, "err", err)
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w; name another address with --metrics", err)
	}
	var profiles http.Handler
	if s.opts.Profiles {
		profiles = control.NewProfiles(s)
	}
	server := metrics.NewServer(s, profiles)
	s.tasks.Go(func() {
		// As for orders: a client that opens connection after connection must not take the files that a new worker needs.
		if err := server.Serve(files.Listener(control.Limited(on), 3)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics and health can't be asked for any more", "err", err)
		}
	})
	s.log.Info("metrics", "url", "http://"+on.Addr().String()+"/metrics")
	return func() { server.Close() }, nil
}

// NotReady says why no requests should be sent to the server; empty if they should.
func (s *Supervisor) NotReady() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.wanted.Err() != nil:
		return "the server stops"
	case s.current == nil:
		return "no worker serves yet"
	}
	return ""
}
