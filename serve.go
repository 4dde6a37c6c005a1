package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
)

// GenerationHeader names, in each response of a plugin, the generation that made it.
const GenerationHeader = "Sohost-Generation"

// ServeHTTP passes the request to the plugin with the longest matching route. The whole request runs in one generation,
// named in the response's Sohost-Generation header. While state moves the request waits. It answers 404 when no plugin has
// the route, 503 when the plugin has no generation or the wait was too long, and 501 when the plugin takes no requests. When
// the plugin panics, the panic is logged and the response is cut off, as net/http does with any handler. After a handover it
// forwards requests to the process that has the plugins.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := h.table.Load().Find(r.URL.Path)
	if !ok {
		if forward := h.forwardTo(); forward != nil {
			forward.ServeHTTP(w, r)
			return
		}
		http.Error(w, fmt.Sprintf("no plugin has a route for %s", r.URL.Path), http.StatusNotFound)
		return
	}
	lease, err := p.slot.Acquire(r.Context())
	if err != nil {
		if forward := h.forwardTo(); forward != nil && errors.Is(err, generations.ErrEmpty) {
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("plugin %s can't answer now: %v", p.Name, err), http.StatusServiceUnavailable)
		return
	}
	defer lease.Release()
	l := lease.Value()
	w.Header().Set(GenerationHeader, l.label)
	handler := l.Handler()
	if handler == nil {
		http.Error(w, fmt.Sprintf("plugin %s takes no requests", p.Name), http.StatusNotImplemented)
		return
	}
	defer h.logPanic(r, p, l)
	handler.ServeHTTP(w, r)
}

// forwardTo returns what serves in place of this host after a handover; nil before, and if there is nothing.
func (h *Host) forwardTo() http.Handler {
	if s := h.successor.Load(); s != nil {
		return s.forward
	}
	return nil
}

// logPanic logs a plugin's panic with the generation it came from, and lets net/http cut the response off.
func (h *Host) logPanic(r *http.Request, p *plugin, l *loaded) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		h.log.Error("panic in plugin", "plugin", p.Name, "generation", l.label, "path", r.URL.Path, "panic", v,
			"stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// Call lends the plugin's current instance to fn, which finds what it can do by type assertion. The instance stays open
// until fn returns; fn must not keep it. While state moves Call waits, until ctx ends or the move is over.
//
// A panic in fn is returned as a *PanicError: it most likely comes from the plugin, which must not take the program down. The
// other errors are that of fn as it is, and, with fn not called, ErrUnknownPlugin, ErrClosed, ErrHandedOver, that of ctx,
// generations.ErrEmpty when the plugin has no generation, and generations.ErrGateTimeout when state took too long to move.
func (h *Host) Call(ctx context.Context, name string, fn func(abi.Instance) error) (err error) {
	p, err := h.plugin(name)
	if err != nil {
		return err
	}
	lease, err := p.slot.Acquire(ctx)
	if ended := h.Serving(); ended != nil && errors.Is(err, generations.ErrEmpty) { // since it was looked up
		err = ended
	}
	if err != nil {
		return fmt.Errorf("plugin %s: %w", name, err)
	}
	defer lease.Release()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("plugin %s: %w", name, instance.NewPanicError(v))
		}
	}()
	return fn(lease.Value().Value())
}
