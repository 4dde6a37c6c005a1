package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"

	"github.com/sohost/sohost"
)

// Supervisor answers for the processes of a server.
type Supervisor interface {
	Status(context.Context) Status
	Handover(context.Context, HandoverRequest) (*sohost.Handover, error)

	// Worker waits for a worker that serves and is not among those that were tried.
	Worker(ctx context.Context, tried ...Worker) (Worker, error)
}

// Worker is a process whose control server answers for the plugins. Workers are compared with ==.
type Worker interface {
	ConnectControl() (net.Conn, error)
}

// NewProxy makes the server of a supervisor; it is run with Serve on what Listen returned.
func NewProxy(s Supervisor) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, s.Status(r.Context()))
	})
	mux.HandleFunc("POST /v1/handover", handle(func(r *http.Request, in HandoverRequest) (any, error) {
		if in.Program != "" && !filepath.IsAbs(in.Program) {
			return nil, fmt.Errorf("program %s: want an absolute path, since the server's directory is another", in.Program)
		}
		if err := absolute(in.Images); err != nil {
			return nil, err
		}
		return s.Handover(r.Context(), in)
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { pass(s, w, r) })
	return &http.Server{Handler: authorize(mux), ConnContext: rememberPeer}
}

// pass lets a worker answer the request. One that has given its plugins away, or dies over a mere question, is not the last.
func pass(s Supervisor, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, &Failure{Message: fmt.Sprintf("request body: %v", err)})
		return
	}
	var tried []Worker
	for {
		worker, err := s.Worker(r.Context(), tried...)
		if err != nil {
			return // the client is gone
		}
		resp, err := Ask(r.Context(), worker, r.Method, r.URL.RequestURI(), body)
		if err != nil && (r.Method != http.MethodGet || r.Context().Err() != nil) {
			writeJSON(w, http.StatusBadGateway, &Failure{Message: fmt.Sprintf(
				"the worker died over the request (%v); another one follows, and `sohost status` tells what it serves", err)})
			return
		}
		if err != nil || resp.StatusCode == http.StatusMisdirectedRequest {
			if err == nil {
				resp.Body.Close()
			}
			tried = append(tried, worker)
			continue
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body) // one of the two is gone if this fails
		return
	}
}

// Ask sends a request to a worker's control server. The response's body is to be closed.
func Ask(ctx context.Context, worker Worker, method, uri string, body []byte) (*http.Response, error) {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return worker.ConnectControl() },
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://worker"+uri, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return resp, err
}
