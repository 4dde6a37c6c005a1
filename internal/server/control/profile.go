package control

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// CPUProfile is the kind of profile that takes time; the others are those of runtime/pprof, such as "heap".
	CPUProfile = "cpu"

	// DefaultProfile is how long a CPU profile is taken, and longestProfile the most that can be asked for.
	DefaultProfile = 10 * time.Second
	longestProfile = 5 * time.Minute
)

// profile answers with a profile of this process, of the kind in the path, as `go tool pprof` reads it. Of a CPU profile seconds says how
// long it is taken, and meanwhile calls of plugins have labels. debug is as for net/http/pprof, for the other kinds.
func (s *server) profile(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	if kind == CPUProfile {
		s.profileCPU(w, r)
		return
	}
	p := pprof.Lookup(kind)
	if p == nil {
		answer(w, nil, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("there is no profile %q: want one of %s", kind, strings.Join(ProfileKinds(), ", "))})
		return
	}
	debug, err := number(r.URL.Query(), "debug", 0, 2)
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if debug > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	p.WriteTo(w, debug) // fails only when the client is gone
}

func (s *server) profileCPU(w http.ResponseWriter, r *http.Request) {
	seconds, err := number(r.URL.Query(), "seconds", int(DefaultProfile/time.Second), int(longestProfile/time.Second))
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer s.host.LabelCalls()()
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		answer(w, nil, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("a CPU profile is being taken already: %v", err)})
		return
	}
	end := time.NewTimer(time.Duration(seconds) * time.Second)
	defer end.Stop()
	select {
	case <-end.C:
	case <-r.Context().Done():
	case <-s.profiling.Done():
	}
	pprof.StopCPUProfile()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(b.Bytes())
}

// number returns a parameter that is a number from 0, or from 1 if it has a default, to a limit.
func number(query url.Values, name string, otherwise, limit int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if least := min(otherwise, 1); err != nil || n < least || n > limit {
		return 0, &Failure{Code: CodeInvalid, Message: fmt.Sprintf("%s=%s: want a number from %d to %d", name, text, least, limit)}
	}
	return n, nil
}

// ProfileKinds returns the kinds of profiles.
func ProfileKinds() []string {
	kinds := []string{CPUProfile}
	for _, p := range pprof.Profiles() {
		kinds = append(kinds, p.Name())
	}
	slices.Sort(kinds)
	return kinds
}

// NewProfiles answers below /debug/pprof/ as net/http/pprof does, with profiles of the worker.
func NewProfiles(s Supervisor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/{$}", func(w http.ResponseWriter, _ *http.Request) {
		for _, kind := range ProfileKinds() {
			if kind == CPUProfile {
				kind = "profile" // as net/http/pprof has it
			}
			fmt.Fprintln(w, kind)
		}
	})
	mux.HandleFunc("GET /debug/pprof/{kind}", func(w http.ResponseWriter, r *http.Request) {
		kind := r.PathValue("kind")
		if kind == "profile" {
			kind = CPUProfile
		}
		// Beyond that of the server; it fails only for a connection that has none.
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * longestProfile))
		r.URL.Path = "/v1/profile/" + kind
		r.URL.RawPath, r.RequestURI = "", ""
		r.Body = http.NoBody // nothing bounds it here
		pass(s, w, r)
	})
	return mux
}
