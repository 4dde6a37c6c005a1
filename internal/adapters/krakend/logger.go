package krakend

import (
	"fmt"
	"log/slog"
	"strings"
)

// logger is the logger that plugins are given: it has the methods of lura's, each of which puts its arguments into one line.
type logger struct {
	log *slog.Logger
}

func text(v []any) string { return strings.TrimSuffix(fmt.Sprintln(v...), "\n") }

// Debug logs at level debug.
func (l logger) Debug(v ...any) { l.log.Debug(text(v)) }

// Info logs at level info.
func (l logger) Info(v ...any) { l.log.Info(text(v)) }

// Warning logs at level warn.
func (l logger) Warning(v ...any) { l.log.Warn(text(v)) }

// Error logs at level error.
func (l logger) Error(v ...any) { l.log.Error(text(v)) }

// Critical logs at level error, which is the highest there is.
func (l logger) Critical(v ...any) { l.log.Error(text(v)) }

// Fatal panics, so that its caller doesn't go on: KrakenD ends its process. The host logs the panic and refuses the image, or cuts
// off the response.
func (l logger) Fatal(v ...any) { panic(text(v)) }
