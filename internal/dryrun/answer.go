package dryrun

import (
	"net/http"
	"sync"
)

// maxAnswer is how much of an answer's body is kept, in bytes.
const maxAnswer = 1 << 20

// recorder is the http.ResponseWriter of a request.
type recorder struct {
	mu     sync.Mutex // a handler may write while it hangs
	header http.Header
	answer Answer // Status is 0 until the header is written
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeHeaderLocked(status)
}

func (r *recorder) writeHeaderLocked(status int) {
	if r.answer.Status == 0 && status >= 200 { // the others only announce it
		r.answer.Status, r.answer.Header = status, r.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer.Status == 0 && r.header.Get("Content-Type") == "" && len(p) > 0 {
		r.header.Set("Content-Type", http.DetectContentType(p))
	}
	r.writeHeaderLocked(http.StatusOK)
	keep := min(len(p), maxAnswer-len(r.answer.Body))
	r.answer.Body = append(r.answer.Body, p[:keep]...)
	r.answer.Cut = r.answer.Cut || keep < len(p)
	return len(p), nil
}

// Flush implements http.Flusher.
func (r *recorder) Flush() { r.WriteHeader(http.StatusOK) }

// answered returns the answer. whole is unset if the handler has not returned: then there is one only if it was begun.
func (r *recorder) answered(whole bool) *Answer {
	if whole {
		r.WriteHeader(http.StatusOK)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer.Status == 0 {
		return nil
	}
	a := r.answer
	return &a
}
