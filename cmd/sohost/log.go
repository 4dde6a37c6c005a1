package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

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

// forPeople shortens durations and drops those that are zero, gives sizes their units, writes "none" for no generation, joins the lines of
// a text, and replaces what can't be printed.
func forPeople(_ []string, a slog.Attr) slog.Attr {
	a.Key = printed(a.Key)
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
		return slog.String(a.Key, printed(s))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case slog.Level, *slog.Source:
		case []byte:
			return slog.String(a.Key, printed(string(v)))
		case error:
			return slog.String(a.Key, printed(fmt.Sprint(v))) // not v.Error(), which panics for a nil pointer, and in a plugin's call
		default:
			return slog.String(a.Key, printed(fmt.Sprintf("%+v", v)))
		}
	case slog.KindInt64:
		if a.Key == "bytes" {
			return slog.String(a.Key, size(a.Value.Int64()))
		}
	}
	return a
}

// printed is oneLine with a question mark for each character that can't be printed: tint ends a text where the usual one for those stands.
func printed(s string) string {
	return strings.ReplaceAll(oneLine(s), string(unicode.ReplacementChar), "?")
}
