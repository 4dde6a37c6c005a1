package krakend

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/sohost/sohost/internal/adapter"
)

// modified is a handler with modifiers around it.
type modified struct {
	request, response []modifier
	next              http.Handler
	log               *slog.Logger
}

// newModified asks the factories for their modifiers. One that returns nil takes no part.
func newModified(entries []named[modifierEntry], extra map[string]any, next http.Handler, log *slog.Logger) *modified {
	m := &modified{next: next, log: log}
	for _, e := range entries {
		f := e.of.factory(extra)
		if f == nil {
			continue
		}
		if e.of.request {
			m.request = append(m.request, f)
		}
		if e.of.response {
			m.response = append(m.response, f)
		}
	}
	return m
}

// ServeHTTP implements http.Handler. Only a response that is to be modified is held back until it is complete.
func (m *modified) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, err := modifyRequest(m.request, r)
	if err != nil {
		m.refuse(w, r, err)
		return
	}
	if len(m.response) == 0 {
		m.next.ServeHTTP(w, r)
		return
	}
	inner := r.Clone(r.Context())
	inner.Header.Del("Accept-Encoding") // modifiers read the body
	rec, err := adapter.Record(m.next, w, inner)
	if err == nil && rec != nil {
		err = modifyResponse(m.response, rec, newRequest(r))
	}
	switch {
	case err != nil:
		m.refuse(w, r, err)
	case rec != nil:
		rec.Send()
	}
}

// refuse answers with the status of a modifier's error, if it has one. As in KrakenD, the error's text is for the log.
func (m *modified) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	var coded interface {
		error
		StatusCode() int
	}
	if errors.As(err, &coded) && coded.StatusCode() >= 200 && coded.StatusCode() < 600 {
		status = coded.StatusCode()
	}
	m.log.Debug("request refused by a modifier", "path", r.URL.Path, "status", status, "err", err)
	http.Error(w, http.StatusText(status), status)
}
