package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
)

// newLogger writes to w in one of the formats text (for people; coloured on a terminal) and json.
func newLogger(w io.Writer, format string, verbose bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	switch format {
	case "text":
		return slog.New(tint.NewHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !isTerminal(w)})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	return nil, usageError{fmt.Errorf("log format %q: want text or json", format)}
}
