package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/otlp"
)

// Supervisor answers for the processes of a server.
type Supervisor interface {
	// Status describes the server. A brief one is without memory, and quicker.
	Status(ctx context.Context, brief bool) Status

	// Life answers at once.
	Life() Life

	Handover(context.Context, HandoverRequest) (*sohost.Handover, error)

	// Reload reads the configuration again.
	Reload(context.Context, ReloadRequest) (*ConfigReload, error)

	// Events returns what happens in the server.
	Events() *events.Log

	// CrashOutput returns what a worker has left that died, by the name of a Crash's File.
	CrashOutput(name string) ([]byte, error)

	// NoteBuild takes note of a build, for the status.
	NoteBuild(BuildReport)

	// Worker waits for a worker that serves and is not among tried. It fails only when ctx ends.
	Worker(ctx context.Context, tried ...Worker) (Worker, error)
}

// Worker is a process whose control server answers for the plugins. Workers are compared with ==.
type Worker interface {
	ConnectControl() (net.Conn, error)
}

// NewProxy returns the control server of a supervisor. Call its Serve with what Listen returned.
func NewProxy(s Supervisor) *http.Server {
	done := make(chan struct{})
	server := newServer(defaultLimits(), answers(s, done))
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(done) })) // it waits for answers, and that to a reader of events has no end
	return server
}

// NewHandler answers as NewProxy's server does, but whoever asks: that is for its caller to decide.
func NewHandler(s Supervisor) http.Handler {
	l := defaultLimits()
	return limitBody(l, readBody(l, answers(s, nil)))
}

// answers is what a supervisor answers. Readers of events are sent away when done is closed.
func answers(s Supervisor, done <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, s.Status(r.Context(), r.URL.Query().Get("brief") == "true"))
	})
	mux.HandleFunc("GET /v1/alive", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Life()) })
	mux.HandleFunc("POST /v1/handover", handle(func(r *http.Request, in HandoverRequest) (any, error) {
		if in.Program != "" && !filepath.IsAbs(in.Program) {
			return nil, &Failure{Code: CodeInvalid, Message: fmt.Sprintf(
				"program %s: want an absolute path, since the server runs in another directory", in.Program)}
		}
		if err := absolute(in.Images); err != nil {
			return nil, err
		}
		in.Trace = traceOf(r)
		return s.Handover(r.Context(), in)
	}))
	mux.HandleFunc("POST /v1/reload", handle(func(r *http.Request, in ReloadRequest) (any, error) {
		if a := in.Amend; a != nil && (!a.Verb.Valid() || a.Verb == Add && !filepath.IsAbs(a.Image)) {
			return nil, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("amend %q, image %q: want a verb that there is, and an absolute path", a.Verb, a.Image)}
		}
		return s.Reload(r.Context(), in)
	}))
	mux.HandleFunc("POST /v1/build", handle(func(_ *http.Request, in BuildReport) (any, error) {
		s.NoteBuild(in)
		s.Events().Add(0, in.event())
		return struct{}{}, nil
	}))
	mux.Handle("GET /v1/events", readers(s.Events(), done))
	mux.HandleFunc("GET /v1/crash", func(w http.ResponseWriter, r *http.Request) {
		text, err := s.CrashOutput(r.URL.Query().Get("file"))
		if err != nil {
			answer(w, nil, &Failure{Code: CodeInvalid, Message: err.Error()})
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(text)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { pass(s, w, r) })
	return mux
}

// pass lets a worker answer the request. If that has given its plugins away, dies over a mere question, or ends before it has read an order,
// the next one is asked.
func pass(s Supervisor, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // never: see readBody
		writeJSON(w, http.StatusBadRequest, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("request body: %v", err)})
		return
	}
	var tried []Worker
	for {
		worker, err := s.Worker(r.Context(), tried...)
		if err != nil {
			return // the client is gone
		}
		resp, err := askAlike(worker, r, body)
		switch {
		case errors.Is(err, sohost.ErrHandedOver):
			tried = append(tried, worker)
			continue
		case err != nil && r.Context().Err() != nil:
			return // the client is gone
		case err != nil && (r.Method == http.MethodGet || errors.Is(err, errUnread)):
			tried = append(tried, worker)
			continue
		case err != nil:
			writeJSON(w, http.StatusBadGateway, &Failure{Code: CodeWorkerDied, Message: fmt.Sprintf(
				"the worker died over the request (%v); a new one starts, and `sohost status` shows what it serves", err)})
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(w, resp.Body); err != nil { // one of the two is gone
			panic(http.ErrAbortHandler) // a part of an answer must not look like one
		}
		return
	}
}

// askAlike asks a worker what a client asks, in the same trace.
func askAlike(worker Worker, r *http.Request, body []byte) (*http.Response, error) {
	req, err := newQuestion(r.Context(), r.Method, r.URL.RequestURI(), body)
	if err != nil {
		return nil, err
	}
	if trace := traceOf(r); trace != "" {
		req.Header.Set(TraceHeader, trace)
	}
	return ask(worker, req)
}

// traceOf returns the traceparent of an order; empty if it has none, or what is none.
func traceOf(r *http.Request) string {
	if p, ok := otlp.ParseParent(r.Header.Get(TraceHeader)); ok {
		return p.String()
	}
	return ""
}

func newQuestion(ctx context.Context, method, uri string, body []byte) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, method, "http://worker"+uri, bytes.NewReader(body))
}

// errUnread is matched by the error of a worker that has gone, or can't be reached, and hasn't read the order.
var errUnread = errors.New("not read")

// TraceHeader is the header of an order with the traceparent of whoever has given it, by W3C Trace Context.
const TraceHeader = "Traceparent"

// Ask sends a request to a worker's control server and returns its answer, whose body the caller must close. The error matches
// sohost.ErrHandedOver if the worker has given its plugins away: then another one is to be asked.
//
// A body is sent when the worker asks for it (Expect: 100-continue), so that it is known whether a worker that is gone has read it. One that
// ends after a handover may have accepted the connection.
func Ask(ctx context.Context, worker Worker, method, uri string, body []byte) (*http.Response, error) {
	req, err := newQuestion(ctx, method, uri, body)
	if err != nil {
		return nil, err
	}
	return ask(worker, req)
}

// ask is Ask for a request.
func ask(worker Worker, req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return worker.ConnectControl() },
		DisableKeepAlives: true, ExpectContinueTimeout: time.Hour, // ctx ends it sooner
	}
	var read atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { read.Store(true) }}))
	if req.ContentLength > 0 {
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := transport.RoundTrip(req)
	switch {
	case err != nil && req.ContentLength > 0 && !read.Load() && ctx.Err() == nil:
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	case err != nil:
		return nil, err
	}
	if resp.StatusCode == http.StatusMisdirectedRequest {
		resp.Body.Close()
		return nil, sohost.ErrHandedOver
	}
	return resp, nil
}
