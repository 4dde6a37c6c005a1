package adapter

import (
	"bufio"
	"fmt"
	"maps"
	"net"
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
	taken    bool // the connection, by a handler that speaks another protocol
}

// Record serves a request and returns the response, of which nothing is written. Header fields that w has already are in it as well. It
// returns nil if the connection was taken over, as for websockets: then there is no response. After an error, for one that is too large,
// nothing is written either.
func Record(next http.Handler, w http.ResponseWriter, r *http.Request) (*Recorder, error) {
	rec := &Recorder{w: w, header: w.Header().Clone()}
	rec.serve(next, r)
	switch {
	case rec.taken:
		return nil, nil
	case rec.tooLarge:
		return nil, errTooLarge
	}
	return rec, nil
}

// serve has next write to the recorder. A proxy that can't write all of a response aborts, which is no reason to cut off the client: it
// gets another response.
func (r *Recorder) serve(next http.Handler, req *http.Request) {
	defer func() {
		if !r.tooLarge {
			return
		}
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	next.ServeHTTP(r, req)
}

var errTooLarge = fmt.Errorf("the response is larger than %d MiB, which is the limit for one that a plugin modifies", MaxRecorded>>20)

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
		return 0, errTooLarge
	}
	r.Body = append(r.Body, b...)
	return len(b), nil
}

// Hijack implements http.Hijacker.
func (r *Recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.w).Hijack()
	r.taken = r.taken || err == nil
	return conn, rw, err
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
