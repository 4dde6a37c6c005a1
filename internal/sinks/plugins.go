package sinks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	database string
	tables   []string
	feed     Feed

	mu     sync.Mutex // guards status
	status Status
}

func newPlugins(c *Config, feed Feed) Sink {
	return &plugins{database: c.Database, tables: c.Tables, feed: feed, status: Status{Kind: kindPlugins, Target: strings.Join(c.Tables, " ")}}
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
	p := lineprotocol.Parse(fed.Text, lineprotocol.Options{Precision: lineprotocol.Nanosecond, Now: fed.Received})
	fed.Tables, fed.Rows = p.Tables, p.Rows
	var wanted bool
	var err error
	if fed.Rows > 0 {
		if wanted, err = s.feed(fed); err != nil {
			err = fmt.Errorf("nothing of it was taken: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Error = ""
	switch {
	case err != nil:
		s.status.Error = err.Error()
		return err
	case wanted:
		s.status.Stored += uint64(fed.Rows)
	}
	s.status.Accepted += uint64(fed.Rows)
	s.status.Lacking += uint64(lacking)
	return nil
}

// Status implements Sink.
func (s *plugins) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Close implements Sink.
func (s *plugins) Close(context.Context) error { return nil }
