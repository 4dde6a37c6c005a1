package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/sohost/sohost/internal/otlp/otlptest"
	"github.com/sohost/sohost/internal/server/control"
)

// TestSpans reloads a plugin with state, has an image refused and hands over, for a collector that refuses to take anything at first. The
// spans tell what happened when, and a reload that was ordered with a trace is a part of it.
func TestSpans(t *testing.T) {
	t.Parallel()
	busy := make(chan struct{}, 1)
	collector := otlptest.New(t)
	collector.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case busy <- struct{}{}:
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return true
		default:
			return false
		}
	}
	counter := newSource(t, "counter")
	first := counter.build()
	counter.edit("counter.go", "c.total.Add(c.step)", "c.total.Add(c.step + 0)")
	second := counter.build()
	p := newPlace(t)
	p.env = []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_SERVICE_NAME=counting",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
	}
	install(t, first, filepath.Join(p.plugins, "counter.so"))
	d := p.start(t, "--plugins", p.plugins)
	if _, _, err := send(impatient, get(d.url+"/counter")); err != nil {
		t.Fatal(err)
	}

	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	d.client.Trace = "00-" + trace + "-" + parent + "-01"
	if _, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"counter": second}}); err != nil {
		t.Fatal(err)
	}
	d.client.Trace = ""
	broken := filepath.Join(p.dir, "broken.so")
	if err := os.WriteFile(broken, []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"counter": broken}}); err == nil {
		t.Fatal("it takes what is no image")
	}
	h, err := d.client.Handover(patient(t), control.HandoverRequest{Why: "test"})
	if err != nil {
		t.Fatal(err)
	}

	all := collector.Await("spans of all that", func(all []otlptest.Span) bool {
		return otlptest.Find(all, "handover").Span != nil && otlptest.Find(all, "reload", "sohost.outcome", "refused").Span != nil
	})
	deployed := otlptest.Find(all, "reload", "sohost.outcome", "deployed")
	if deployed.Span == nil || deployed.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET || fmt.Sprintf("%x %x", deployed.TraceId, deployed.ParentSpanId) != trace+" "+parent ||
		deployed.With["sohost.plugin"] != "counter" || deployed.With["sohost.generation.from"] != short(t, first) ||
		deployed.With["sohost.generation.to"] != short(t, second) || deployed.With["sohost.state.way"] == "none" || deployed.With["sohost.release"] != "2" {
		t.Errorf("the deploy is %v", deployed)
	}
	checkPhases(t, all, deployed, "store", "check", "probe", "open", "new", "drain", "state", "start", "flip", "publish")
	refused := otlptest.Find(all, "reload", "sohost.outcome", "refused")
	if refused.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || refused.Status.Message == "" || refused.With["sohost.phase"] == "" ||
		string(refused.TraceId) == string(deployed.TraceId) {
		t.Errorf("the refused deploy is %v", refused)
	}
	handover := otlptest.Find(all, "handover")
	if handover.With["sohost.giver.pid"] != fmt.Sprint(h.Giver) || handover.With["sohost.taker.pid"] != fmt.Sprint(h.Taker) {
		t.Errorf("the handover of %d to %d is %v", h.Giver, h.Taker, handover)
	}
	checkPhases(t, all, handover, "prepare", "ahead", "pause", "publish")
	pause := otlptest.Find(all, "pause")
	checkPhases(t, all, pause, "drain", "state", "commit")
	if len(pause.Events) != 1 || otlptest.With(pause.Events[0].Attributes)["sohost.plugin"] != "counter" {
		t.Errorf("in the pause has moved %v", pause.Events)
	}
	if of := collector.Resource(); of["service.name"] != "counting" || of["deployment.environment"] != "test" {
		t.Errorf("the spans are of %v", of)
	}
	if s := d.status().Spans; s == nil || s.Lost != 0 || s.Sent+uint64(s.Waiting) < uint64(len(all)) || !strings.HasPrefix(s.Endpoint, collector.URL) {
		t.Errorf("the status says %+v", s)
	}
}

// checkPhases checks that a span has these spans within it, which are a part of its time.
func checkPhases(t *testing.T, all []otlptest.Span, of otlptest.Span, want ...string) {
	t.Helper()
	got := otlptest.Children(all, of)
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("within %s are %q, want %q", of.Name, got, want)
	}
	for _, s := range all {
		if string(s.ParentSpanId) == string(of.SpanId) && (s.StartTimeUnixNano < of.StartTimeUnixNano || s.EndTimeUnixNano > of.EndTimeUnixNano) {
			t.Errorf("%s is from %d to %d, and within that %s from %d to %d", of.Name, of.StartTimeUnixNano, of.EndTimeUnixNano,
				s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
}
