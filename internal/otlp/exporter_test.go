package otlp_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/otlp/otlptest"
)

// patience bounds every wait for something that must happen.
const patience = time.Minute

// fromEnv returns the settings for a collector, with more of the environment.
func fromEnv(t *testing.T, url string, more ...string) *otlp.Settings {
	t.Helper()
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "1"}
	for _, pair := range more {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	s, err := otlp.FromEnv(func(name string) string { return env[name] })
	if err != nil || s == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	return s
}

func newExporter(t *testing.T, s *otlp.Settings) *otlp.Exporter {
	t.Helper()
	x, err := otlp.NewExporter(s, "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	x.SetPause(time.Millisecond)
	return x
}

// some returns spans.
func some(n int) (all []otlp.Span) {
	for i := range n {
		all = append(all, otlp.Span{
			Trace: otlp.NewTraceID(), ID: otlp.NewSpanID(), Name: fmt.Sprint("span ", i), Start: time.Unix(1, int64(i)), End: time.Unix(2, 0),
		})
	}
	return all
}

// await waits until the status is as wanted.
func await(t *testing.T, x *otlp.Exporter, wanted func(otlp.Status) bool) otlp.Status {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s := x.Status()
		if wanted(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %+v", s)
		}
	}
}

// TestExport sends a span with all that one can have, and finds it in what a collector reads.
func TestExport(t *testing.T) {
	c := otlptest.New(t)
	headers := make(chan http.Header, 1)
	c.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/traces" {
			headers <- r.Header
		}
		return false
	}
	x := newExporter(t, fromEnv(t, c.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
		"OTEL_RESOURCE_ATTRIBUTES=service.name=x,zone=ü", "OTEL_SERVICE_NAME=y"))
	parent := otlp.Parent{Trace: otlp.NewTraceID(), Span: otlp.NewSpanID(), Sampled: true}
	x.Add(otlp.Span{
		Trace: parent.Trace, Parent: parent.Span, Remote: true, ID: otlp.NewSpanID(), Name: "reload", Start: time.Unix(1, 2), End: time.Unix(3, 4),
		Attributes: []otlp.Attribute{otlp.Text("a", "ä\xff"), otlp.Text("empty", ""), otlp.Texts("list", []string{"x", "", "z"}), otlp.Number("n", -3), otlp.Number("zero", 0)},
		Events:     []otlp.Event{{Time: time.Unix(2, 0), Name: "flip", Attributes: []otlp.Attribute{otlp.Text("b", "c")}}}, Err: "it is refused",
	})
	s := c.Await("a span", func(all []otlptest.Span) bool { return len(all) == 1 })[0]
	if h := <-headers; h.Get("Api-Key") != "a b" || h.Get("User-Agent") != "sohost/v1" {
		t.Errorf("the headers are %v", h)
	}
	if got := fmt.Sprintf("00-%x-%x-01", s.TraceId, s.ParentSpanId); got != parent.String() || len(s.SpanId) != 8 {
		t.Errorf("within %s is %v", parent, s)
	}
	if s.Name != "reload" || s.StartTimeUnixNano != 1e9+2 || s.EndTimeUnixNano != 3e9+4 || s.Kind != tracepb.Span_SPAN_KIND_SERVER ||
		s.Status.Code != tracepb.Status_STATUS_CODE_ERROR || s.Status.Message != "it is refused" || s.Flags != 1<<9|1<<8|1 {
		t.Errorf("the span is %v", s)
	}
	if fmt.Sprint(s.With) != fmt.Sprint(map[string]string{"a": "ä\uFFFD", "empty": "", "list": "x,,z", "n": "-3", "zero": "0"}) {
		t.Errorf("its attributes are %v", s.With)
	}
	if len(s.Events) != 1 || s.Events[0].Name != "flip" || s.Events[0].TimeUnixNano != 2e9 || otlptest.With(s.Events[0].Attributes)["b"] != "c" {
		t.Errorf("its events are %v", s.Events)
	}
	if of := c.Resource(); of["service.name"] != "y" || of["zone"] != "ü" || of["host.name"] == "" {
		t.Errorf("it is of %v", of)
	}
	await(t, x, func(s otlp.Status) bool { return s.Sent == 1 && s.Waiting == 0 })
	if left := x.Close(patience); len(left) != 0 {
		t.Errorf("%d spans are left", len(left))
	}
}

// TestRetry sends to collectors that fail at first, each in its own way. Nothing is lost, and nothing is sent twice.
func TestRetry(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"too many": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"later": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"gateway": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"cut":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := otlptest.New(t)
			failed := make(chan struct{}, 1)
			c.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				select {
				case failed <- struct{}{}:
					fail(w, r)
					return true
				default:
					return false
				}
			}
			limit := "OTEL_EXPORTER_OTLP_TIMEOUT=" + fmt.Sprint(patience.Milliseconds())
			if name == "hangs" {
				limit = "OTEL_EXPORTER_OTLP_TIMEOUT=1000"
			}
			x := newExporter(t, fromEnv(t, c.URL, limit, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=2"))
			x.Add(some(5)...)
			s := await(t, x, func(s otlp.Status) bool { return s.Sent == 5 })
			if s.Lost != 0 || s.Error != "" || len(c.Spans()) != 5 || len(failed) != 1 {
				t.Errorf("%+v, and %d have arrived after %d attempts that failed", s, len(c.Spans()), len(failed))
			}
			x.Close(0)
		})
	}
}

// TestRefused loses what a collector doesn't want, all of it or a part, and goes on.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		lost   uint64
	}{
		"all": {func(w http.ResponseWriter) { http.Error(w, "no such tenant", http.StatusForbidden) }, 3},
		"moved": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusMovedPermanently)
		}, 3},
		"some": {func(w http.ResponseWriter) {
			text, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{
				PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too old"},
			})
			if err != nil {
				t.Error(err)
			}
			w.Write(text)
		}, 2},
		"nonsense": {func(w http.ResponseWriter) { w.Write([]byte("\x0a\xff\xff")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := otlptest.New(t)
			c.Answer = func(w http.ResponseWriter, _ *http.Request) bool { test.answer(w); return true }
			x := newExporter(t, fromEnv(t, c.URL))
			x.Add(some(3)...)
			s := await(t, x, func(s otlp.Status) bool { return s.Sent+s.Lost == 3 })
			if s.Lost != test.lost || s.Waiting != 0 {
				t.Errorf("%+v", s)
			}
			x.Close(0)
		})
	}
}

// TestSlow gives more spans than there is room for to an exporter whose collector doesn't answer. Nobody waits; what is left at the end goes to
// the exporter that goes on.
func TestSlow(t *testing.T) {
	c := otlptest.New(t)
	asked := make(chan struct{}, 1)
	c.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
		return true
	}
	settings := fromEnv(t, c.URL, "OTEL_BSP_MAX_QUEUE_SIZE=10", "OTEL_EXPORTER_OTLP_TIMEOUT="+fmt.Sprint(patience.Milliseconds()))
	x := newExporter(t, settings)
	x.Add(some(1)...)
	<-asked
	x.Add(some(12)...)
	if s := x.Status(); s.Waiting != 10 || s.Lost != 3 || s.Sent != 0 {
		t.Errorf("%+v", s)
	}
	long := some(3)
	for i := range long {
		long[i].Err = strings.Repeat("x", 3<<20)
	}
	other := newExporter(t, settings)
	other.Add(long...)
	if s := other.Status(); s.Waiting != 1 || s.Lost != 2 {
		t.Errorf("of 9 MiB wait %+v", s)
	}
	other.Close(0)
	left := x.Close(0)
	if s := x.Status(); len(left) != 10 || s.Error != "" {
		t.Fatalf("%d spans are left, and what has been cut off is the collector's fault: %+v", len(left), s)
	}
	takes := otlptest.New(t)
	next := newExporter(t, fromEnv(t, takes.URL))
	next.Restore(left, x.Status())
	s := await(t, next, func(s otlp.Status) bool { return s.Waiting == 0 })
	if s.Sent != 10 || s.Lost != 3 || len(takes.Spans()) != 10 {
		t.Errorf("%+v, and %d have arrived", s, len(takes.Spans()))
	}
	next.Close(0)
}
