// Package metrics tells monitoring how a server is: its status as metrics that Prometheus reads, and whether it is alive and ready.
package metrics

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/control"
)

// Source is the server.
type Source interface {
	// Status describes the server. A brief one is without memory.
	Status(ctx context.Context, brief bool) control.Status

	// NotReady says why no requests should be sent to the server; empty if they should.
	NotReady() string

	// Events returns what happens in the server.
	Events() *events.Log
}

// NewServer returns the HTTP server of a Source.
//
//	GET /metrics  the status, in Prometheus's text format
//	GET /healthz  200 as long as the supervisor answers
//	GET /readyz   200 if a worker serves and the server isn't about to stop, or else 503 with the reason
//	GET /debug/pprof/…  what profiles answers; nothing if it is nil
func NewServer(s Source, profiles http.Handler) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(Text(s.Status(r.Context(), false), s.NotReady() == "", s.Events()))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := s.NotReady(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if profiles != nil {
		mux.Handle("GET /debug/pprof/", profiles)
	}
	const patience = 10 * time.Second
	return &http.Server{Handler: mux, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: 2 * time.Minute}
}

// family is one metric with all its labels.
type family struct {
	name, kind, help string

	// samples calls add for each sample, with names and values of labels in turn. An odd number begins with what follows the name.
	samples func(s *status, add func(value float64, labels ...string))
}

// status is what metrics are made of.
type status struct {
	control.Status
	ready  bool
	events *events.Log
}

// Text returns a status in Prometheus's text format. A family without samples is left out.
func Text(s control.Status, ready bool, happened *events.Log) []byte {
	var b strings.Builder
	for _, f := range families {
		head := fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		f.samples(&status{s, ready, happened}, func(value float64, labels ...string) {
			b.WriteString(head)
			head = ""
			b.WriteString(f.name)
			if len(labels)%2 == 1 { // of a histogram
				b.WriteString(labels[0])
				labels = labels[1:]
			}
			writeLabels(&b, labels)
			b.WriteByte(' ')
			b.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
			b.WriteByte('\n')
		})
	}
	return []byte(b.String())
}

var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func writeLabels(b *strings.Builder, labels []string) {
	for i := 0; i < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(b, `%s="%s"`, labels[i], escape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")))
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
}

// truth is 1 for true.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// at returns a time in seconds of the Unix epoch.
func at(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
