package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/sinks"
)

// NewServer returns the control server of a worker, which answers for host. Call its Serve with the connections that the
// supervisor passes on. A request ends with its connection: when the client of a deploy goes away, the deploy is cancelled
// unless it has flipped already. A CPU profile ends with profiling, and its client gets what there is of it.
func NewServer(profiling context.Context, host *sohost.Host, emitted func() []sinks.Status, kept func() *backlog.Status, refused func() map[string]int64) *http.Server {
	s := &server{host, profiling}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("brief") == "true" {
			s.tell(w, WorkerAnswer{host.StatusBrief(), emitted(), kept(), refused()}, nil)
			return
		}
		s.tell(w, WorkerAnswer{host.Status(), emitted(), kept(), refused()}, nil)
	})
	mux.HandleFunc("POST /v1/deploy", handle(func(r *http.Request, in DeployRequest) (any, error) {
		if err := absolute(in.Images); err != nil {
			return nil, err
		}
		return host.DeployWith(r.Context(), in.Images, sohost.DeployOptions{LoseState: in.LoseState, Trace: traceOf(r)})
	}))
	mux.HandleFunc("POST /v1/rollback", handle(func(r *http.Request, in RollbackRequest) (any, error) {
		return host.Rollback(r.Context(), sohost.RollbackOptions{To: in.To, Plugins: in.Plugins, LoseState: in.LoseState, Trace: traceOf(r)})
	}))
	mux.HandleFunc("POST /v1/prune", handle(func(r *http.Request, in PruneRequest) (any, error) {
		return host.Prune(generations.PruneOptions{Keep: in.Keep, DryRun: in.DryRun})
	}))
	mux.HandleFunc("GET /v1/quarantine", func(w http.ResponseWriter, r *http.Request) {
		quarantines, err := host.Quarantines()
		s.tell(w, append([]generations.Quarantine{}, quarantines...), err)
	})
	mux.HandleFunc("POST /v1/quarantine/lift", handle(func(r *http.Request, in LiftRequest) (any, error) {
		return host.LiftQuarantine(in.Image)
	}))
	mux.HandleFunc("GET /v1/releases", func(w http.ResponseWriter, r *http.Request) {
		releases, err := host.Releases()
		if len(releases) > 0 {
			err = nil // about broken ones
		}
		s.tell(w, append([]generations.Release{}, releases...), err) // [] and not null
	})
	s.handleTriggers(mux)
	mux.HandleFunc("GET /v1/profile/{kind}", s.profile)
	mux.HandleFunc("POST /v1/test", handle(newTests(host).run))
	mux.HandleFunc("GET /v1/history", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n < 1 {
			writeJSON(w, http.StatusBadRequest, &Failure{Code: CodeInvalid, Message: "n: want a positive number"})
			return
		}
		events, err := host.History(n)
		s.tell(w, append([]generations.Event{}, events...), err)
	})
	return newServer(defaultLimits(), mux)
}

type server struct {
	host      *sohost.Host
	profiling context.Context
}

// tell answers a question, unless the answer is another worker's to give. It looks after the answer was made: plugins leave the
// host only after Serving has become ErrHandedOver, so what was found out before that is the truth.
func (s *server) tell(w http.ResponseWriter, out any, err error) {
	if s.host.Serving() == sohost.ErrHandedOver {
		err = sohost.ErrHandedOver
	}
	answer(w, out, err)
}

// absolute returns an error if the server could not find one of the images.
func absolute(images map[string]string) error {
	for name, file := range images {
		if file != "" && !filepath.IsAbs(file) {
			return &Failure{Code: CodeInvalid, Message: fmt.Sprintf(
				"plugin %s: image %s: want an absolute path, since the server runs in another directory", name, file)}
		}
	}
	return nil
}

// handle decodes the request, strictly, and answers with what do returns.
func handle[In any](do func(*http.Request, In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			writeJSON(w, http.StatusBadRequest, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("request body: %v", err)})
			return
		}
		out, err := do(r, in)
		answer(w, out, err)
	}
}

func answer(w http.ResponseWriter, out any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, out)
		return
	}
	f := newFailure(err)
	writeJSON(w, f.status(), f)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // fails only when the peer is gone
}
