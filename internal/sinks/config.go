package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/sohost/sohost/abi"
)

// Config describes one sink.
type Config struct {
	Kind string `json:"kind"` // influx, file, log or plugins

	// Of plugins: the tables whose rows they get; Database is the one that their batches name.
	Tables []string `json:"tables,omitempty"`

	// Of an influx sink, as in InfluxOptions.
	URL        string        `json:"url,omitempty"`
	Version    int           `json:"version,omitempty"`
	Database   string        `json:"database,omitempty"`
	Org        string        `json:"org,omitempty"`
	Token      string        `json:"token,omitempty"`
	Flush      time.Duration `json:"flush,omitempty"`
	SpoolLimit int           `json:"spool_limit,omitempty"`

	// Of a file, as in FileOptions.
	Path   string `json:"path,omitempty"`
	Rotate int    `json:"rotate,omitempty"`
	Keep   int    `json:"keep,omitempty"`
}

const kindPlugins = "plugins"

// Check calls bad for each fault, with the field that it is in, or "".
func (c *Config) Check(bad func(field, text string)) {
	if c.Kind != kindPlugins && len(c.Tables) > 0 {
		bad("tables", "only a sink of kind plugins has tables")
	}
	switch c.Kind {
	case "influx":
		if _, err := target(c.influx()); err != nil {
			bad("", err.Error())
		}
		if c.Path != "" {
			bad("path", "only a sink of kind file has a path")
		}
	case "file":
		if c.Path == "" {
			bad("", `no path: name the file with path = "…"`)
		}
		if c.URL != "" {
			bad("url", "only a sink of kind influx has a URL")
		}
	case "log":
		if c.URL != "" || c.Path != "" {
			bad("", "a sink of kind log has no URL and no path")
		}
	case kindPlugins:
		if len(c.Tables) == 0 {
			bad("", `no tables: name those whose rows plugins are to get with tables = ["…"]`)
		}
		if slices.Contains(c.Tables, "*") {
			bad("tables", "\"*\" is no pattern here: name each table, so that loops can be told")
		}
		if c.URL != "" || c.Path != "" {
			bad("", "a sink of kind plugins has no URL and no path")
		}
	case "":
		bad("", "no kind: want influx, file, log or plugins")
	default:
		bad("kind", fmt.Sprintf("%q: want influx, file, log or plugins", c.Kind))
	}
}

func (c *Config) influx() InfluxOptions {
	return InfluxOptions{
		URL: c.URL, Version: c.Version, Database: c.Database, Org: c.Org, Token: c.Token, Flush: c.Flush, SpoolLimit: int64(c.SpoolLimit),
	}
}

// open opens the sink. Its rows wait in a directory of its own below dir.
func (c *Config) open(name, dir string, log *slog.Logger, feed Feed) (Sink, error) {
	log = log.With("sink", name)
	switch c.Kind {
	case "influx":
		o := c.influx()
		o.Spool, o.Logger = filepath.Join(dir, name), log
		return NewInflux(o)
	case "file":
		return NewFile(FileOptions{Path: c.Path, Rotate: int64(c.Rotate), Keep: c.Keep, Logger: log})
	case kindPlugins:
		return newPlugins(c, feed, log), nil
	default:
		return NewLog(log), nil
	}
}

// FeedsPlugins reports whether one of the sinks is of kind plugins.
func FeedsPlugins(configs map[string]Config) bool {
	for _, c := range configs {
		if c.Kind == kindPlugins {
			return true
		}
	}
	return false
}

// FedTables returns the tables of a plugin's rows that go to plugins, if the plugin emits to the sinks that are named.
func FedTables(configs map[string]Config, only []string) (tables []string) {
	for _, name := range only {
		if c := configs[name]; c.Kind == kindPlugins {
			tables = append(tables, c.Tables...)
		}
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// Set is all sinks of a server.
type Set struct{ sinks []named }

type named struct {
	name  string
	feeds bool // it is of kind plugins
	Sink
}

// Open opens sinks by their names. Rows wait below dir for those that are down, and those for plugins go to feed. With an error none is open.
func Open(configs map[string]Config, dir string, log *slog.Logger, feed Feed) (*Set, error) {
	s := &Set{}
	for name, c := range configs {
		sink, err := c.open(name, dir, log, feed)
		if err != nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return nil, errors.Join(fmt.Errorf("sink %s: %w", name, err), s.Close(ctx))
		}
		s.sinks = append(s.sinks, named{name, c.Kind == kindPlugins, sink})
	}
	slices.SortFunc(s.sinks, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	return s, nil
}

// Write has sinks accept the rows: those that are named, or all but those of kind plugins if only is nil. If one doesn't, the others may have: a plugin that emits
// the same rows again overwrites them there, as rows with the same time and tags are one point for InfluxDB.
func (s *Set) Write(ctx context.Context, only []string, tables []abi.Table) (err error) {
	nowhere := true
	for _, sink := range s.sinks {
		if only == nil && sink.feeds || only != nil && !slices.Contains(only, sink.name) {
			continue
		}
		nowhere = false
		if refused := sink.Write(ctx, tables); refused != nil {
			err = errors.Join(err, fmt.Errorf("sink %s: %w", sink.name, refused))
		}
	}
	if nowhere {
		return errors.New("the plugin's rows go nowhere: it names no sink, or there are only sinks of kind plugins, which it must name")
	}
	return err
}

// Status returns what has become of the rows of each sink, by name.
func (s *Set) Status() (all []Status) {
	for _, sink := range s.sinks {
		status := sink.Status()
		status.Name = sink.name
		all = append(all, status)
	}
	return all
}

// Close closes all sinks.
func (s *Set) Close(ctx context.Context) (err error) {
	for _, sink := range s.sinks {
		if failed := sink.Close(ctx); failed != nil {
			err = errors.Join(err, fmt.Errorf("sink %s: %w", sink.name, failed))
		}
	}
	return err
}
