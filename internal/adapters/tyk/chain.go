package tyk

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/sohost/sohost/internal/adapter"
)

// chain calls a plugin's functions around the handler that comes next.
type chain struct {
	requests  []requestFunc
	responses []responseFunc
	next      http.Handler
	log       *slog.Logger
}

// ServeHTTP implements http.Handler. A function that answers the request itself is the last one, as in Tyk.
func (c *chain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, f := range c.requests {
		aw := &answered{ResponseWriter: w}
		if f(aw, r); aw.yes {
			return
		}
	}
	if len(c.responses) == 0 {
		c.next.ServeHTTP(w, r)
		return
	}
	rec, err := adapter.Record(c.next, w, r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	if rec == nil {
		return
	}
	for _, f := range c.responses {
		answer, err := respond(f, rec, w, r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		if answer {
			return
		}
	}
	rec.Send()
}

// refuse answers 502 in the place of a response.
func (c *chain) refuse(w http.ResponseWriter, r *http.Request, err error) {
	c.log.Error("response not passed on", "path", r.URL.Path, "err", err)
	http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
}

// respond gives a recorded response to a function, and takes from it what that has changed. It reports whether the function answered by
// itself.
func respond(f responseFunc, rec *adapter.Recorder, w http.ResponseWriter, r *http.Request) (answer bool, err error) {
	body := io.NopCloser(bytes.NewReader(rec.Body))
	res := &http.Response{
		StatusCode: cmp.Or(rec.Status, http.StatusOK), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.Header(), Body: body, ContentLength: int64(len(rec.Body)), Request: r,
	}
	res.Status = http.StatusText(res.StatusCode)
	aw := &answered{ResponseWriter: w}
	if f(aw, res, r); aw.yes {
		return true, nil
	}
	rec.Status = res.StatusCode
	rec.SetHeader(res.Header)
	if res.Body != body { // one that was only read stays what it was
		rec.Body = nil
		if res.Body != nil {
			defer res.Body.Close()
			rec.Body, err = io.ReadAll(res.Body)
		}
	}
	return false, err
}

// answered notes whether a function has begun to answer.
type answered struct {
	http.ResponseWriter
	yes bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	a.yes = a.yes || status >= 200
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answered) Write(b []byte) (int, error) {
	a.yes = true
	return a.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (a *answered) Flush() {
	a.yes = true
	http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker: whoever takes the connection over answers.
func (a *answered) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	a.yes = a.yes || err == nil
	return conn, rw, err
}

// Unwrap gives http.ResponseController the writer, with which a function sets deadlines.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
