package sinks

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
)

// logged is a sink that is the log.
type logged struct {
	log    *slog.Logger
	mu     sync.Mutex // guards status
	status Status
}

// NewLog returns a sink that writes each row to the log.
func NewLog(log *slog.Logger) Sink { return &logged{log: log, status: Status{Kind: "log"}} }

// Write implements Sink.
func (s *logged) Write(_ context.Context, tables []abi.Table) error {
	var r record
	lacking := r.add(tables)
	for line := range strings.Lines(string(r.text())) { // a text of several lines is shown as several
		s.log.Info("row", "line", strings.TrimSuffix(line, "\n"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Lacking += uint64(lacking)
	s.status.Accepted += uint64(r.lines)
	s.status.Stored += uint64(r.lines)
	return nil
}

// Status implements Sink.
func (s *logged) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Close implements Sink.
func (s *logged) Close(context.Context) error { return nil }
