package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/writes"
)

// pointed serves the write endpoints beside a host: what clients write goes to the plugins that have a trigger for it.
func pointed(host *sohost.Host) http.Handler {
	endpoints := writes.New(writes.Options{
		Accept: func(ctx context.Context, w writes.Write) error { return accept(ctx, host, w) }, Ready: host.Serving, Version: "sohost",
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(writes.Paths, r.URL.Path) && host.Serving() == nil {
			endpoints.ServeHTTP(w, r)
			return
		}
		host.ServeHTTP(w, r) // after a handover it forwards
	})
}

// accept waits until every plugin that a write is for has handled it. The tables are the endpoint's again when it returns, so it waits
// even if the client is gone. Whatever goes wrong is no fault of the points: their client is to send them again.
func accept(ctx context.Context, host *sohost.Host, w writes.Write) error {
	d, err := host.Deliver(ctx, w.Database, 0, w.Tables)
	if err == nil {
		<-d.Done()
		err = d.Err()
	}
	if err != nil && !errors.Is(err, writes.ErrFull) {
		err = fmt.Errorf("%w: %w", writes.ErrFull, err)
	}
	return err
}
