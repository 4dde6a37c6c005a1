package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/sinks"
	"github.com/sohost/sohost/internal/writes"
)

// openBacklog opens the backlog if writes are acknowledged by it, if rows that plugins emit go to others by it, or if an earlier worker has
// left one. It returns nil otherwise.
func (w *worker) openBacklog() (*backlog.Log, error) {
	o := backlog.Options{Dir: w.start.backlogDir(), Limit: backlog.DefaultLimit, Logger: w.log}
	ws := w.start.Writes
	if ws != nil && ws.SpoolLimit > 0 {
		o.Limit = ws.SpoolLimit
	}
	feeds := sinks.FeedsPlugins(w.start.Sinks)
	if feeds {
		o.Reserve = o.Limit / feedShare
	}
	if ws != nil && ws.Ack != Handled || feeds {
		return backlog.Open(o)
	}
	if _, err := os.Stat(o.Dir); err != nil {
		return nil, nil
	}
	return backlog.Open(o)
}

// feedShare is the part of the backlog's limit, one in so many, that clients leave to what plugins emit.
const feedShare = 8

// backlogStatus describes the backlog, or returns nil if there is none.
func (s *server) backlogStatus() *backlog.Status {
	if s.backlog == nil {
		return nil
	}
	status := s.backlog.Status()
	return &status
}

// pointed serves the write endpoints beside a host: what clients write goes to the plugins that have a trigger for it.
func (s *server) pointed(o Writes) http.Handler {
	accept := s.handle
	if o.Ack != Handled {
		accept = s.keep
	}
	endpoints := writes.New(writes.Options{Accept: accept, Tokens: o.Tokens, BodyLimit: o.BodyLimit, Ready: s.host.Serving, Version: "sohost"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(writes.Paths, r.URL.Path) && s.host.Serving() == nil {
			endpoints.ServeHTTP(w, r)
			return
		}
		s.host.ServeHTTP(w, r) // after a handover it forwards
	})
}

// keep acknowledges a write once it is on disk, or at once if it is for no plugin.
func (s *server) keep(_ context.Context, w writes.Write) error {
	if !s.host.WantsWrite(w.Tables) {
		return nil
	}
	return notNow(s.backlog.Append(backlog.Write{
		Database: w.Database, Precision: w.Precision, Received: w.Received, Text: w.Body, Tables: w.Tables,
	}))
}

// handle acknowledges a write once every plugin that it is for has handled it. It waits for that even if the client is gone.
func (s *server) handle(ctx context.Context, w writes.Write) error {
	d, err := s.host.Deliver(ctx, w.Database, w.Tables)
	if err == nil {
		w.Queued()
		<-d.Done()
		err = d.Err()
	}
	return notNow(err)
}

// notNow returns an error that has the client send its points again: whatever went wrong is no fault of theirs.
func notNow(err error) error {
	switch {
	case err == nil || errors.Is(err, writes.ErrFull):
		return err
	case errors.Is(err, sohost.ErrFull):
		return fmt.Errorf("%w: %w", writes.ErrFull, err)
	}
	return fmt.Errorf("%w: %w; nothing of it was taken", writes.ErrFull, err)
}
