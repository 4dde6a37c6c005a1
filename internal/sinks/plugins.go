package sinks

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// Fed is what a sink of kind plugins has written to plugins. Text is that of the tables, in nanoseconds.
type Fed struct {
	Database string
	Tables   []abi.Table
	Rows     int
	Text     []byte
	Received time.Time
}

// Feed writes rows to the plugins that have a trigger for them, as if a client had written them. It returns once they are on disk, or at
// once with false if no plugin has such a trigger.
type Feed func(Fed) (wanted bool, err error)

// plugins is a sink that is the plugins of the server itself.
type plugins struct {
	account
	database string
	tables   []string
	feed     Feed
}

func newPlugins(c *Config, feed Feed, log *slog.Logger) Sink {
	status := Status{Kind: kindPlugins, Target: strings.Join(c.Tables, " ")}
	return &plugins{account: account{log: log, status: status}, database: c.Database, tables: c.Tables, feed: feed}
}

// Write implements Sink: when it returns nil, the rows of the sink's tables are on disk. Rows of others are none of its business.
func (s *plugins) Write(_ context.Context, tables []abi.Table) error {
	var own []abi.Table
	for _, t := range tables {
		if slices.Contains(s.tables, t.Name) {
			own = append(own, t)
		}
	}
	fed := Fed{Database: s.database, Received: time.Now()}
	var lacking int
	fed.Text, lacking = lineprotocol.Append(nil, dated(own))
	// Plugins get what is on disk: the caller may change its tables, and line protocol may lack some of them.
	p := lineprotocol.Parse(fed.Text, lineprotocol.Options{Precision: lineprotocol.Nanosecond, Now: fed.Received, MaxErrors: 1})
	fed.Tables, fed.Rows = p.Tables, p.Rows
	if fed.Rows > 0 {
		wanted, err := s.feed(fed)
		switch {
		case err != nil:
			s.failing(err, notTaken)
			return fmt.Errorf("nothing of it was taken: %w", err)
		case wanted:
			s.stored(fed.Rows)
		default:
			s.stored(0)
		}
	}
	s.update(func(st *Status) {
		st.Accepted += uint64(fed.Rows)
		st.Lacking += uint64(lacking)
	})
	if p.Errors > 0 { // as a client's would be: two kinds of values in a column, or a column named time
		s.refused(p.Errors, p.Bad[0].Original, p.Bad[0].Err)
	}
	return nil
}

// Close implements Sink.
func (s *plugins) Close(context.Context) error { return nil }
