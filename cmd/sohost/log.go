package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/terminal"
)

// newLogger returns a logger that writes to w in one of the formats text (for people; in color on a terminal) and json.
func newLogger(w io.Writer, format string, verbose bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	switch format {
	case "text":
		to := &appender{w: w}
		return slog.New(&traceHandler{tint.NewTextHandler(to, &tint.Options{
			Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal.LookOf(w).Color, ReplaceAttr: forPeople,
		}), to}), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	return nil, usageError{fmt.Errorf("--log-format %q: want text or json", format)}
}

// forPeople shortens durations and drops those that are zero, gives sizes their units, writes "none" for no generation, and joins the
// lines of a text.
func forPeople(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		d := short(a.Value.Duration())
		if d == "0s" {
			return slog.Attr{}
		}
		return slog.String(a.Key, d)
	case slog.KindString:
		s := a.Value.String()
		if s == (generations.ID{}).Short() {
			s = "none"
		}
		return slog.String(a.Key, oneLine(s))
	case slog.KindInt64:
		if a.Key == "bytes" {
			return slog.String(a.Key, size(a.Value.Int64()))
		}
	}
	return a
}
