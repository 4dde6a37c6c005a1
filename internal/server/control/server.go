package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
)

// NewServer makes the server of a worker, which answers for host; it is run with Serve on what Listen returned. Its requests live as long
// as their connections: a client that goes away ends the deploy it waits for, if that has not flipped yet.
func NewServer(host *sohost.Host) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, host.Status())
	})
	mux.HandleFunc("POST /v1/deploy", handle(func(r *http.Request, in DeployRequest) (any, error) {
		if err := absolute(in.Images); err != nil {
			return nil, err
		}
		return host.Deploy(r.Context(), in.Images)
	}))
	mux.HandleFunc("POST /v1/rollback", handle(func(r *http.Request, in RollbackRequest) (any, error) {
		return host.Rollback(r.Context(), sohost.RollbackOptions{To: in.To, Plugins: in.Plugins})
	}))
	mux.HandleFunc("POST /v1/prune", handle(func(r *http.Request, in PruneRequest) (any, error) {
		return host.Prune(generations.PruneOptions{Keep: in.Keep, DryRun: in.DryRun})
	}))
	mux.HandleFunc("GET /v1/quarantine", func(w http.ResponseWriter, r *http.Request) {
		quarantines, err := host.Quarantines()
		answer(w, append([]generations.Quarantine{}, quarantines...), err)
	})
	mux.HandleFunc("POST /v1/quarantine/lift", handle(func(r *http.Request, in LiftRequest) (any, error) {
		return host.LiftQuarantine(in.Image)
	}))
	mux.HandleFunc("GET /v1/releases", func(w http.ResponseWriter, r *http.Request) {
		releases, err := host.Releases()
		if len(releases) > 0 {
			err = nil // about those that are broken
		}
		answer(w, append([]generations.Release{}, releases...), err) // [] and not null
	})
	mux.HandleFunc("GET /v1/history", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n < 1 {
			writeJSON(w, http.StatusBadRequest, &Failure{Message: "n: want a positive number"})
			return
		}
		events, err := host.History(n)
		answer(w, append([]generations.Event{}, events...), err)
	})
	return &http.Server{Handler: authorize(mux), ConnContext: rememberPeer}
}

// absolute says whether the server can find the images of a request.
func absolute(images map[string]string) error {
	for name, file := range images {
		if file != "" && !filepath.IsAbs(file) {
			return fmt.Errorf("plugin %s: image %s: want an absolute path, since the server's directory is another", name, file)
		}
	}
	return nil
}

// maxRequest is the size of the largest request.
const maxRequest = 1 << 20

// handle decodes the request, strictly, and answers what do returns.
func handle[In any](do func(*http.Request, In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			writeJSON(w, http.StatusBadRequest, &Failure{Message: fmt.Sprintf("request body: %v", err)})
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
	status, f := http.StatusConflict, new(Failure)
	if errors.Is(err, sohost.ErrHandedOver) {
		status = http.StatusMisdirectedRequest
	}
	if !errors.As(err, &f) {
		f = &Failure{Message: err.Error()}
		errors.As(err, &f.Refusal)
	}
	writeJSON(w, status, f)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // the peer is gone if this fails
}
