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
	Kind string `json:"kind"` // influx, file or log

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

// Check calls bad for each fault, with the field that it is in, or "".
func (c *Config) Check(bad func(field, text string)) {
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
	case "":
		bad("", "no kind: want influx, file or log")
	default:
		bad("kind", fmt.Sprintf("%q: want influx, file or log", c.Kind))
	}
}

func (c *Config) influx() InfluxOptions {
	return InfluxOptions{
		URL: c.URL, Version: c.Version, Database: c.Database, Org: c.Org, Token: c.Token, Flush: c.Flush, SpoolLimit: int64(c.SpoolLimit),
	}
}

// open opens the sink. Its rows wait in a directory of its own below dir.
func (c *Config) open(name, dir string, log *slog.Logger) (Sink, error) {
	switch c.Kind {
	case "influx":
		o := c.influx()
		o.Spool, o.Logger = filepath.Join(dir, name), log.With("sink", name)
		return NewInflux(o)
	case "file":
		return NewFile(FileOptions{Path: c.Path, Rotate: int64(c.Rotate), Keep: c.Keep})
	default:
		return NewLog(log.With("sink", name)), nil
	}
}

// Set is all sinks of a server.
type Set struct{ sinks []named }

type named struct {
	name string
	Sink
}

// Open opens sinks by their names. Rows wait below dir for those that are down. With an error none is open.
func Open(configs map[string]Config, dir string, log *slog.Logger) (*Set, error) {
	s := &Set{}
	for name, c := range configs {
		sink, err := c.open(name, dir, log)
		if err != nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return nil, errors.Join(fmt.Errorf("sink %s: %w", name, err), s.Close(ctx))
		}
		s.sinks = append(s.sinks, named{name, sink})
	}
	slices.SortFunc(s.sinks, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	return s, nil
}

// Write has sinks accept the rows: those that are named, or all if only is nil. If one doesn't, the others may have: a plugin that emits
// the same rows again overwrites them there, as rows with the same time and tags are one point for InfluxDB.
func (s *Set) Write(ctx context.Context, only []string, tables []abi.Table) (err error) {
	if only != nil && len(only) == 0 {
		return errors.New("the plugin's rows go nowhere: its list of sinks is empty; name one, or leave the list out for all")
	}
	for _, sink := range s.sinks {
		if only != nil && !slices.Contains(only, sink.name) {
			continue
		}
		if refused := sink.Write(ctx, tables); refused != nil {
			err = errors.Join(err, fmt.Errorf("sink %s: %w", sink.name, refused))
		}
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
