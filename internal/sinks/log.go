package sinks

import (
	"bytes"
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
	var text bytes.Buffer
	lines, lacking := write(&text, tables)
	for line := range strings.Lines(text.String()) { // a text of several lines is shown as several
		s.log.Info("row", "line", strings.TrimSuffix(line, "\n"))
	}
	s.update(func(st *Status) {
		st.Lacking += uint64(lacking)
		st.Accepted += uint64(lines)
	})
	s.stored(lines)
	return nil
}

// Close implements Sink.
func (s *logged) Close(context.Context) error { return nil }
