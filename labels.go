package sohost

import (
	"context"
	"net/http"
	"runtime/pprof"
	"sync"

	"github.com/sohost/sohost/abi"
)

// LabelCalls has calls of plugins, which are requests, batches, ticks and Call, run with the labels plugin and generation of runtime/pprof
// until stop is called. It is meant for while a CPU profile is taken: a call costs more meanwhile, and at other times nothing. Goroutines
// that a plugin begins in New and Start have these labels always. Acquire of a Handle gives none.
func (h *Host) LabelCalls() (stop func()) {
	h.labelling.Add(1)
	return sync.OnceFunc(func() { h.labelling.Add(-1) })
}

// labelled returns the handler, with the instance's labels if calls have them now.
func (h *Host) labelled(l *loaded, handler http.Handler) http.Handler {
	if h.labelling.Load() == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pprof.Do(r.Context(), l.Labels(), func(ctx context.Context) {
			own := r.WithContext(ctx)                              // so that the next of a chain puts back these labels
			defer func() { r.MultipartForm = own.MultipartForm }() // whose files net/http removes
			handler.ServeHTTP(w, own)
		})
	})
}

// callLabelled lends the instance to fn, with its labels.
func callLabelled(ctx context.Context, l *loaded, fn func(abi.Instance) error) (err error) {
	pprof.Do(ctx, l.Labels(), func(context.Context) { err = fn(l.Value()) })
	return err
}
