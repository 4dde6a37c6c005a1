package main

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/sohost/sohost/internal/crash"
)

// traceHandler writes the stack of a record below its line, as people read it, instead of into it.
type traceHandler struct {
	slog.Handler
	to *appender
}

// appender writes a text after what is written.
type appender struct {
	w io.Writer

	mu    sync.Mutex // guards after, while a record is written
	after string
}

// Write is called with mu held, with one record at a time.
func (a *appender) Write(b []byte) (int, error) {
	if a.after == "" {
		return a.w.Write(b)
	}
	_, err := a.w.Write(append(b[:len(b):len(b)], a.after...)) // at once: other processes write to the same file
	return len(b), err
}

// Handle implements slog.Handler.
func (h *traceHandler) Handle(ctx context.Context, r slog.Record) error {
	stack, module := "", ""
	plain := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "stack":
			stack = a.Value.String()
		case "module":
			module = a.Value.String()
		default:
			plain.AddAttrs(a)
		}
		return true
	})
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	if stack == "" {
		return h.Handler.Handle(ctx, r)
	}
	h.to.after = indent(crash.Readable(stack, module)) + "\n"
	defer func() { h.to.after = "" }()
	return h.Handler.Handle(ctx, plain)
}

// WithAttrs implements slog.Handler.
func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traceHandler{h.Handler.WithAttrs(attrs), h.to}
}

// WithGroup implements slog.Handler.
func (h *traceHandler) WithGroup(name string) slog.Handler {
	return &traceHandler{h.Handler.WithGroup(name), h.to}
}
