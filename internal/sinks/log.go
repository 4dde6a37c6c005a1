package sinks

import (
	"context"
	"log/slog"
	"strings"

	"github.com/sohost/sohost/abi"
)

// logged is a sink that is the log.
type logged struct{ account }

// NewLog returns a sink that writes each row to the log.
func NewLog(log *slog.Logger) Sink { return &logged{account{log: log, status: Status{Kind: "log"}}} }

// Write implements Sink.
func (s *logged) Write(_ context.Context, tables []abi.Table) error {
	var r record
	lacking := r.add(tables)
	for line := range strings.Lines(string(r.text())) { // a text of several lines is shown as several
		s.log.Info("row", "line", strings.TrimSuffix(line, "\n"))
	}
	s.update(func(st *Status) {
		st.Lacking += uint64(lacking)
		st.Accepted += uint64(r.lines)
	})
	s.stored(r.lines)
	return nil
}

// Close implements Sink.
func (s *logged) Close(context.Context) error { return nil }
