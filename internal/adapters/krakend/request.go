package krakend

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// requestWrapper is what a modifier of requests gets and may return: lura's type of the same name. A plugin declares as much of it as
// it needs.
type requestWrapper interface {
	Params() map[string]string
	Headers() map[string][]string
	Body() io.ReadCloser
	Method() string
	URL() *url.URL
	Query() url.Values
	Path() string
}

// request is a request as modifiers see it.
type request struct {
	r     *http.Request
	query url.Values
}

// newRequest returns a request for modifiers. They may change what its methods return.
func newRequest(r *http.Request) *request { return &request{r, r.URL.Query()} }

func (q *request) Context() context.Context     { return q.r.Context() }
func (q *request) Params() map[string]string    { return map[string]string{} } // there are no patterns that would have any
func (q *request) Headers() map[string][]string { return q.r.Header }
func (q *request) Body() io.ReadCloser          { return q.r.Body }
func (q *request) Method() string               { return q.r.Method }
func (q *request) URL() *url.URL                { return q.r.URL }
func (q *request) Query() url.Values            { return q.query }
func (q *request) Path() string                 { return q.r.URL.Path }

// modifyRequest returns the request as the modifiers have changed it, one after another. What a modifier returns counts if it is a
// request. After an error it returns the request as it was.
func modifyRequest(modifiers []modifier, r *http.Request) (*http.Request, error) {
	if len(modifiers) == 0 {
		return r, nil
	}
	given := r.Clone(r.Context())
	var last requestWrapper = newRequest(given)
	for _, f := range modifiers {
		result, err := f(last)
		if err != nil {
			return r, err
		}
		if w, ok := result.(requestWrapper); ok {
			last = w
		}
	}
	return takeRequest(r, last), nil
}

// takeRequest returns r with what a modifier has made of it. The path and the query count where they differ from those of r; otherwise
// those of the URL, if there is one.
func takeRequest(r *http.Request, from requestWrapper) *http.Request {
	changed := r.Clone(r.Context())
	changed.Method = from.Method()
	if changed.Header = from.Headers(); changed.Header == nil {
		changed.Header = http.Header{}
	}
	if u := from.URL(); u != nil {
		changed.URL.Path, changed.URL.RawPath, changed.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	}
	if p := from.Path(); p != r.URL.Path && p != changed.URL.Path {
		changed.URL.Path, changed.URL.RawPath = p, ""
	}
	if q := from.Query(); !maps.EqualFunc(q, r.URL.Query(), slices.Equal) {
		changed.URL.RawQuery = q.Encode()
	}
	if body := from.Body(); body != r.Body {
		changed.Body, changed.ContentLength = body, -1
		if body == nil {
			changed.Body, changed.ContentLength = http.NoBody, 0
		}
		changed.Header.Del("Content-Length")
	}
	return changed
}
