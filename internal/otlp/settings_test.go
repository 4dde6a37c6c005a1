package otlp_test

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/otlp/otlptest"
)

const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"

// TestFromEnv reads environments that ask for nothing, for what can't be had, and for things that can.
func TestFromEnv(t *testing.T) {
	for _, test := range []struct {
		env  string // separated by spaces
		want string // the endpoint, "none", or a part of the error
		bad  int    // how many variables are ignored
	}{
		{"", "none", 0},
		{"OTEL_SERVICE_NAME=x", "none", 0},
		{endpoint, "http://c:4318/v1/traces", 0},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=https://c/otlp/", "https://c/otlp/v1/traces", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://d/as/it/is", "http://d/as/it/is", 0},
		{endpoint + " OTEL_SDK_DISABLED=True", "none", 0},
		{endpoint + " OTEL_TRACES_EXPORTER=none", "none", 0},
		{endpoint + " OTEL_TRACES_EXPORTER=zipkin", "want otlp or none", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "want http/protobuf", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", "http://c:4318/v1/traces", 0},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "want a URL such as", 0},
		{endpoint + " OTEL_BSP_SCHEDULE_DELAY=soon OTEL_BSP_MAX_QUEUE_SIZE=0 OTEL_EXPORTER_OTLP_COMPRESSION=zstd", "http://c:4318/v1/traces", 3},
		{endpoint + " OTEL_RESOURCE_ATTRIBUTES=secret OTEL_TRACES_SAMPLER=often OTEL_EXPORTER_OTLP_TIMEOUT=x", "http://c:4318/v1/traces", 3},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=key", "OTEL_EXPORTER_OTLP_HEADERS: want key=value", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=clé=secret", `no header can be named "clé"`, 0},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=a=b,a:b=secret", `no header can be named "a:b"`, 0},
		{endpoint + " OTEL_EXPORTER_OTLP_TRACES_HEADERS=key=secret%0Ax", "OTEL_EXPORTER_OTLP_TRACES_HEADERS: header key has a line break", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=key=secret%7f", "header key has", 0},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=x-key=d%C3%A9j%C3%A0%09vu,", "http://c:4318/v1/traces", 0},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:43180000", "want a URL such as", 0},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=2", "http://c:4318/v1/traces", 1},
	} {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(test.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		s, err := otlp.FromEnv(func(name string) string { return env[name] })
		got := "none"
		switch {
		case err != nil:
			if got = err.Error(); strings.Contains(got, "secret") {
				t.Errorf("%s tells a secret: %s", test.env, got)
			}
		case s != nil:
			got = s.Endpoint.String()
			if len(s.Ignored) != test.bad || strings.Contains(strings.Join(s.Ignored, ""), "secret") {
				t.Errorf("%s: ignored is %q", test.env, s.Ignored)
			}
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %s", test.env, got, test.want)
		}
	}
	s := fromEnv(t, "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=20", "OTEL_BSP_SCHEDULE_DELAY=")
	if s.Timeout != 20*time.Millisecond || s.Delay != 5*time.Second || s.Queue != 2048 || s.Batch != 512 {
		t.Errorf("%+v", s)
	}
	if s := fromEnv(t, "http://c", "OTEL_BSP_MAX_QUEUE_SIZE=10"); s.Batch != 10 {
		t.Errorf("%d are sent at once, of 10 that there is room for", s.Batch)
	}
}

// TestSampler asks each sampler about traces of this program, and of others that keep them and don't.
func TestSampler(t *testing.T) {
	for env, want := range map[string]string{
		"":                              "all all none",
		"always_on":                     "all all all",
		"always_off":                    "none none none",
		"traceidratio 0.25":             "some some some",
		"traceidratio 0":                "none none none",
		"traceidratio":                  "all all all",
		"parentbased_always_off":        "none all none",
		"parentbased_traceidratio 0.25": "some all none",
	} {
		name, arg, _ := strings.Cut(env, " ")
		s := fromEnv(t, "http://c", "OTEL_TRACES_SAMPLER="+name, "OTEL_TRACES_SAMPLER_ARG="+arg)
		var got []string
		for _, parent := range []*otlp.Parent{nil, {Sampled: true}, {}} {
			const all = 4000
			n := 0
			for range all {
				if s.Sampler(otlp.NewTraceID(), parent) {
					n++
				}
			}
			switch {
			case n == all:
				got = append(got, "all")
			case n == 0:
				got = append(got, "none")
			case n > all/5 && n < all/3:
				got = append(got, "some")
			default:
				t.Errorf("%s keeps %d of %d", env, n, all)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s keeps %v, want %s", env, got, want)
		}
	}
}

// TestParseParent reads texts that are a traceparent and texts that aren't.
func TestParseParent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if p, ok := otlp.ParseParent(good); !ok || p.String() != good || !p.Sampled {
		t.Errorf("%v, %v", p, ok)
	}
	if p, ok := otlp.ParseParent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-what else"); !ok || p.Sampled {
		t.Errorf("of a later version: %v, %v", p, ok)
	}
	for _, bad := range []string{
		"", "00", good + "-x", strings.ToUpper(good), "ff" + good[2:], good[:54], "00-" + strings.Repeat("0", 32) + good[35:],
		good[:36] + strings.Repeat("0", 16) + "-01", strings.Replace(good, "a", "g", 1),
	} {
		if p, ok := otlp.ParseParent(bad); ok {
			t.Errorf("%q is read as %v", bad, p)
		}
	}
}

// TestTLS sends to a collector whose certificate the settings name, and refuses files that hold none.
func TestTLS(t *testing.T) {
	c := otlptest.New(t)
	s := httptest.NewTLSServer(c)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newExporter(t, fromEnv(t, s.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE="+file))
	x.Add(some(1)...)
	c.Await("a span", func(all []otlptest.Span) bool { return len(all) == 1 })
	x.Close(0)
	for _, bad := range []string{"OTEL_EXPORTER_OTLP_CERTIFICATE=settings_test.go", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=/none", "OTEL_EXPORTER_OTLP_CLIENT_KEY=" + file} {
		if _, err := otlp.NewExporter(fromEnv(t, s.URL, bad), "", slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// FuzzHeaders gives variables for headers with any text: what is taken can be sent.
func FuzzHeaders(f *testing.F) {
	c := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	f.Cleanup(c.Close)
	for _, seed := range []string{"a=b", "clé=x", "k=%0a", "k=%ff,b=", "a b=c", "=", "host=x,content-length=7,Transfer-Encoding=x,trailer=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := otlp.FromEnv(func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": text}[name]
		})
		if err != nil {
			return
		}
		r, _ := http.NewRequest(http.MethodPost, s.Endpoint.String(), strings.NewReader("x"))
		r.Header = s.Header
		if resp, err := http.DefaultTransport.RoundTrip(r); err != nil {
			t.Errorf("%q is taken: %v", text, err)
		} else {
			resp.Body.Close()
		}
	})
}
