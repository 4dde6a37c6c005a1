package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/headline"
	"github.com/sohost/sohost/internal/instance"
)

// GenerationHeader is the response header that names the generation which served the request, by the first 12
// hexadecimal digits of its image's ID.
const GenerationHeader = "Sohost-Generation"

// ServeHTTP passes the request to the plugin with the longest matching route. The whole request runs in one generation,
// which the response names in GenerationHeader. While the plugin's state moves, the request waits. In a worker of sohost, the
// connection adds that header to responses of HTTP/1 in the clear: handlers don't find it in theirs.
//
// ServeHTTP answers 404 if no plugin has a route for the path, 501 if the plugin takes no requests, and 503 if the path is that of a
// trigger or plugin that is disabled, if the plugin has no generation, if the request's context ended while it waited, or if it waited for longer than a move may
// take. If the plugin panics, the panic is logged and the response is cut off, as net/http does for any handler. After
// a handover, requests go to GiveOptions.Forward.
//
// If the route is a chain's, all that holds for each of its plugins from when it gets the request, and the response names the
// generations of all that got it, in order.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, note, ok := h.table.Load().Find(r.URL.Path)
	if !ok {
		if forward := h.forwardTo(); forward != nil {
			forward.ServeHTTP(w, r)
			return
		}
		http.Error(w, fmt.Sprintf("no plugin has a route for %s", r.URL.Path), http.StatusNotFound)
		return
	}
	if note.disabled {
		if forward := h.forwardTo(); forward != nil {
			forward.ServeHTTP(w, r)
			return
		}
		p.answerDisabled(w)
		return
	}
	if note.chain != nil {
		note.chain.ServeHTTP(w, r)
		return
	}
	if note.trigger != nil {
		if r, ok = triggered(w, r, note.trigger); !ok {
			return
		}
	}
	lease, err := p.acquire(r)
	if err != nil {
		if forward := h.forwardTo(); forward != nil && errors.Is(err, generations.ErrEmpty) {
			forward.ServeHTTP(w, r)
			return
		}
		p.unavailable(w, err)
		return
	}
	defer lease.Release()
	l := lease.Value()
	if !headline.Add(r.Context(), l.line) {
		w.Header()[GenerationHeader] = l.header
	}
	handler := l.Handler()
	if handler == nil {
		http.Error(w, fmt.Sprintf("plugin %s takes no requests", p.Name), http.StatusNotImplemented)
		return
	}
	p.handle(w, r, l, handler)
}

// handle calls a handler of an instance of the plugin, and counts how that went.
func (p *plugin) handle(w http.ResponseWriter, r *http.Request, l *loaded, handler http.Handler) {
	q, returned := l.requests.begin(r), false
	w, answer := noted(w, l)
	if p.CutAfter > 0 {
		cuttable, over := l.cutter.begin(r)
		defer over()
		r, answer.request = cuttable, cuttable.Context()
	}
	defer func() {
		v := recover()
		q.answered(answer.status, !returned && !aborted(v))
		if !returned {
			p.host.cutOff(r, p, l, v)
		}
	}()
	p.host.labelled(l, handler).ServeHTTP(w, r)
	returned = true
}

// aborted reports whether a handler has panicked only to cut its response off.
func aborted(v any) bool {
	err, isError := v.(error)
	return isError && errors.Is(err, http.ErrAbortHandler)
}

// acquire takes a lease for a request, which is noted while it waits at a gate.
func (p *plugin) acquire(r *http.Request) (generations.Lease[*loaded], error) {
	if lease, ok := p.slot.TryAcquire(); ok {
		return lease, nil
	}
	defer p.host.waiting.begin(r).end()
	return p.lease(r.Context())
}

// lease takes a lease. While the plugin boots it waits for that, see Options.BootWait.
func (p *plugin) lease(ctx context.Context) (generations.Lease[*loaded], error) {
	for {
		lease, err := p.slot.Acquire(ctx)
		if !errors.Is(err, generations.ErrEmpty) || !p.awaitUp(ctx) {
			return lease, err
		}
	}
}

// unavailable answers a request that got no lease, in words for clients: what went wrong inside is for status and the log.
func (p *plugin) unavailable(w http.ResponseWriter, err error) {
	text, retry := "it is being replaced, which takes longer than usual", time.Second
	switch r := p.refusal(); {
	case !errors.Is(err, generations.ErrEmpty):
	case p.host.Serving() != nil:
		text = "the server is stopping"
	case p.isBooting():
		text = "it still boots"
	case r == nil:
		text = "it is not loaded yet"
	case r.Retry.IsZero():
		text, retry = "it can't be loaded", 30*time.Second
	default:
		retry = max(pause(generations.Moment{Time: r.Retry}, r.Tries).Truncate(time.Second)+time.Second, time.Second)
		text = fmt.Sprintf("it has failed, and is tried again in %v", retry)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retry/time.Second)))
	http.Error(w, fmt.Sprintf("plugin %s is out of service: %s", p.Name, text), http.StatusServiceUnavailable)
}

// forwardTo returns the handler that serves in this host's place after a handover. It is nil before a handover, and if
// none was given.
func (h *Host) forwardTo() http.Handler {
	if s := h.successor.Load(); s != nil {
		return s.forward
	}
	return nil
}

// cutOff logs that a handler of a plugin panicked, or ended its goroutine if v is nil, and has net/http cut off the response.
func (h *Host) cutOff(r *http.Request, p *plugin, l *loaded, v any) {
	request := r.Method + " " + r.URL.Path
	log := h.log.With("plugin", p.Name, "generation", l.label, "request", request)
	switch {
	case v == nil: // by runtime.Goexit
		log.Error("handler of plugin ended its goroutine: the response is cut off")
	case aborted(v):
	default:
		stack := string(debug.Stack())
		log.Error("panic in plugin", "panic", v, "module", l.Image().Module(), "stack", stack)
		p.tellPanic(l, request, v, stack)
	}
	panic(http.ErrAbortHandler)
}

// Call lends the plugin's current instance to fn, which finds out what the instance can do by type assertions. The
// instance stays open until fn returns; fn must not keep it. While the plugin's state moves, Call waits until the move
// is over or ctx ends.
//
// Call returns fn's error as it is. A panic in fn is returned as an error that wraps a *PanicError, because it most
// likely comes from the plugin, and a plugin must not take the program down. If fn was not called, the error matches
// ErrUnknownPlugin, ErrClosed, ErrHandedOver, the cause of ctx's end, generations.ErrEmpty if the plugin has no
// generation, or generations.ErrGateTimeout if the move took too long.
func (h *Host) Call(ctx context.Context, name string, fn func(abi.Instance) error) (err error) {
	p, err := h.plugin(name)
	if err != nil {
		return err
	}
	lease, err := p.lend(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	defer catch(name, &err)
	if h.labelling.Load() > 0 {
		return callLabelled(ctx, lease.Value(), fn)
	}
	return fn(lease.Value().Value())
}

// lend takes a lease for a call of the program's.
func (p *plugin) lend(ctx context.Context) (generations.Lease[*loaded], error) {
	lease, err := p.lease(ctx)
	if err == nil {
		return lease, nil
	}
	// An empty slot may mean that the host has ended since the plugin was looked up.
	if ended := p.host.Serving(); ended != nil && errors.Is(err, generations.ErrEmpty) {
		err = ended
	}
	return lease, fmt.Errorf("plugin %s: %w", p.Name, err)
}

// catch is deferred around a call of a plugin's code. It makes an error of a panic.
func catch(plugin string, err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("plugin %s: %w", plugin, instance.NewPanicError(v))
	}
}
