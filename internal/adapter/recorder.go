package adapter

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
)

// MaxRecorded is how large a response may be that is held back to be modified, in bytes.
const MaxRecorded = 32 << 20

// Recorder holds a response back until it is complete, so that it can be modified.
type Recorder struct {
	Status int // 0 until something is written, which stands for 200
	Body   []byte

	w        http.ResponseWriter
	header   http.Header
	written  bool // some of a body, so that its length is known
	tooLarge bool
}

// NewRecorder returns a recorder of what is to be written to w. Header fields that w has already are in it as well.
func NewRecorder(w http.ResponseWriter) *Recorder {
	return &Recorder{w: w, header: w.Header().Clone()}
}

// Header implements http.ResponseWriter.
func (r *Recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. Informational responses aren't recorded.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 && status >= 200 {
		r.Status = status
	}
}

// Write implements http.ResponseWriter.
func (r *Recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.written = true
	if r.tooLarge = r.tooLarge || len(r.Body)+len(b) > MaxRecorded; r.tooLarge {
		r.Body = nil
		return 0, r.Err()
	}
	r.Body = append(r.Body, b...)
	return len(b), nil
}

// Err returns an error if the response was too large to be held back.
func (r *Recorder) Err() error {
	if r.tooLarge {
		return fmt.Errorf("the response is larger than %d MiB, which is the limit for one that a plugin modifies", MaxRecorded>>20)
	}
	return nil
}

// SetHeader replaces the header.
func (r *Recorder) SetHeader(h http.Header) { r.header = maps.Clone(h) }

// Send writes the response, whose length is that of Body now.
func (r *Recorder) Send() {
	h := r.w.Header()
	clear(h)
	maps.Copy(h, r.header)
	if len(r.Body) > 0 || r.written { // the answer to HEAD keeps the length that it has
		h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	}
	if r.Status != 0 {
		r.w.WriteHeader(r.Status)
	}
	r.w.Write(r.Body) // the client may have gone; nobody is left to be told
}
