package sohost

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
)

// response is a ResponseWriter that notes the status. Those below can do besides what the one that they stand for can, since handlers ask
// for that by type assertions.
type response struct {
	http.ResponseWriter
	status  int             // the final one; 0 if the handler named none
	from    *loaded         // what answers
	request context.Context // of the request, if it can be cut off
}

// noted returns a writer that stands for w while l answers, and the part of it that knows the status.
func noted(w http.ResponseWriter, l *loaded) (http.ResponseWriter, *response) {
	switch w.(type) {
	case flushWriter:
		if _, ok := w.(hijackWriter); ok {
			r := &hijacked{flushed{response{ResponseWriter: w, from: l}}}
			return r, &r.response
		}
		if _, ok := w.(http.Pusher); ok {
			r := &pushed{flushed{response{ResponseWriter: w, from: l}}}
			return r, &r.response
		}
		r := &flushed{response{ResponseWriter: w, from: l}}
		return r, &r.response
	}
	r := &response{ResponseWriter: w, from: l}
	return r, r
}

// WriteHeader notes the status unless it is only informational.
func (r *response) WriteHeader(status int) {
	if r.status < 200 && status >= 200 || status == http.StatusSwitchingProtocols {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the writer that r stands for, for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// flushWriter is what the writers of all versions of HTTP are.
type flushWriter interface {
	http.Flusher
	io.StringWriter
}

type flushed struct{ response }

func (f *flushed) Flush() { f.ResponseWriter.(http.Flusher).Flush() }

func (f *flushed) WriteString(s string) (int, error) {
	return f.ResponseWriter.(io.StringWriter).WriteString(s)
}

// CloseNotify is for old handlers.
func (f *flushed) CloseNotify() <-chan bool {
	//lint:ignore SA1019 the server's writer has it, and a plugin may ask for it
	if n, ok := f.ResponseWriter.(http.CloseNotifier); ok {
		return n.CloseNotify()
	}
	return make(chan bool)
}

// hijackWriter is what the writer of HTTP/1 is besides.
type hijackWriter interface {
	http.Hijacker
	io.ReaderFrom
}

type hijacked struct{ flushed }

// WriteHeader has the connection closed after an answer that the body is too large. http.MaxBytesReader asks the server's own writer for
// that, by a method that no other can have. After other answers the server reads on for a while before it closes.
func (h *hijacked) WriteHeader(status int) {
	if status == http.StatusRequestEntityTooLarge {
		h.Header().Set("Connection", "close")
	}
	h.response.WriteHeader(status)
}

// ReadFrom lets the kernel copy files.
func (h *hijacked) ReadFrom(from io.Reader) (int64, error) {
	return h.ResponseWriter.(io.ReaderFrom).ReadFrom(from)
}

// Hijack gives the connection to the handler. What it answers there isn't known; a proxy sends what the header has, to which the
// connection adds nothing any more.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := h.ResponseWriter.(http.Hijacker).Hijack()
	if header := h.Header(); err == nil && header[GenerationHeader] == nil {
		header[GenerationHeader] = h.from.header
	}
	if err == nil && h.status == 0 {
		h.status = http.StatusSwitchingProtocols
	}
	if ctx := h.request; err == nil && ctx != nil {
		context.AfterFunc(ctx, func() {
			if context.Cause(ctx) == ErrCutOff {
				c.Close()
			}
		})
	}
	return c, rw, err
}

type pushed struct{ flushed }

func (p *pushed) Push(target string, opts *http.PushOptions) error {
	return p.ResponseWriter.(http.Pusher).Push(target, opts)
}
