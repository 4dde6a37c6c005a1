// Package otlptest takes spans in tests, as a collector does.
package otlptest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// patience bounds every wait for something that must happen.
const patience = 3 * time.Minute

// Collector is an HTTP server that takes spans.
type Collector struct {
	URL string

	// Answer is called for each request before it is taken, and reports whether it has answered something else. It is set before the
	// first request.
	Answer func(w http.ResponseWriter, r *http.Request) bool

	t  testing.TB
	mu sync.Mutex // guards what follows

	requests []*collectorpb.ExportTraceServiceRequest
	changed  chan struct{} // closed and replaced with each request
}

// New returns a Collector, which is there until the test ends.
func New(t testing.TB) *Collector {
	c := &Collector{t: t, changed: make(chan struct{})}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// ServeHTTP takes the spans of a request.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body) // first: only then does the server notice when the client goes away
	if c.Answer != nil && c.Answer(w, r) {
		return
	}
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		text, err = unzip(text)
	}
	in := new(collectorpb.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(text, in)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s with %s: %v", r.Method, r.Header.Get("Content-Type"), err)
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.requests = append(c.requests, in)
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message has no bytes
}

func unzip(text []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Await waits until there are spans as wanted, and returns all that there are, in the order of their begins.
func (c *Collector) Await(what string, wanted func(all []Span) bool) []Span {
	c.t.Helper()
	for limit := time.After(patience); ; {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		all := c.Spans()
		if wanted(all) {
			return all
		}
		select {
		case <-changed:
		case <-limit:
			c.t.Fatalf("%s: in vain, with the spans %v", what, all)
		}
	}
}

// Span is a span with its attributes as texts.
type Span struct {
	*tracepb.Span
	With map[string]string
}

// Spans returns what there is, in the order of the begins.
func (c *Collector) Spans() (all []Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		for _, of := range r.ResourceSpans {
			for _, by := range of.ScopeSpans {
				for _, s := range by.Spans {
					all = append(all, Span{s, With(s.Attributes)})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Span) int { return int(int64(a.StartTimeUnixNano - b.StartTimeUnixNano)) })
	return all
}

// Resource returns who has made the spans of the first request.
func (c *Collector) Resource() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return With(c.requests[0].ResourceSpans[0].Resource.Attributes)
}
