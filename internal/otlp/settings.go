package otlp

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings say where spans go, and which. FromEnv makes them.
type Settings struct {
	Endpoint *url.URL
	Header   http.Header
	Timeout  time.Duration // of one attempt
	Gzip     bool
	Resource []Attribute // who makes the spans, but for what NewExporter knows itself
	Sampler  Sampler

	CA, Certificate, Key string // files; empty: the system's authorities, and no certificate for the client

	Delay time.Duration // how long a span waits for others
	Batch int           // how many are sent at once, at most
	Queue int           // how many wait, at most

	// Ignored says of each variable that can't be as it is why.
	Ignored []string
}

// FromEnv returns the settings in the environment variables that OpenTelemetry defines, of which get is the reader; nil if they ask for no
// spans: without an endpoint there are none. The error says why what they ask for can't be had. A variable that isn't set is the same as one
// that is empty.
//
//	OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER ("otlp" or "none")
//	OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
//	OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
//	OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE
//	OTEL_EXPORTER_OTLP_… and, before that, OTEL_EXPORTER_OTLP_TRACES_…: ENDPOINT, PROTOCOL ("http/protobuf"), HEADERS, TIMEOUT,
//	COMPRESSION ("gzip" or "none"), CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY
func FromEnv(get func(string) string) (*Settings, error) {
	e := &env{get: get}
	endpoint := e.ofTraces("ENDPOINT")
	switch exporter := e.text("OTEL_TRACES_EXPORTER", "otlp"); {
	case endpoint == "", strings.EqualFold(get("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return nil, nil
	case exporter != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: want otlp or none", exporter)
	}
	if protocol := cmp.Or(e.ofTraces("PROTOCOL"), "http/protobuf"); protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s: want http/protobuf, which collectors take at port 4318", protocol)
	}
	u, err := url.Parse(endpoint)
	if err == nil && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: want a URL such as http://localhost:4318")
	}
	if get(prefix+"TRACES_ENDPOINT") == "" {
		u = u.JoinPath("v1/traces")
	}
	headers, err := e.headers()
	if err != nil {
		return nil, err
	}
	s := &Settings{
		Endpoint: u, Header: headers, Resource: e.resource(), Sampler: e.sampler(),
		Timeout: e.duration(prefix+"TRACES_TIMEOUT", e.duration(prefix+"TIMEOUT", 10*time.Second)),
		CA:      e.ofTraces("CERTIFICATE"), Certificate: e.ofTraces("CLIENT_CERTIFICATE"), Key: e.ofTraces("CLIENT_KEY"),
		Delay: e.duration("OTEL_BSP_SCHEDULE_DELAY", 5*time.Second),
		Queue: e.count("OTEL_BSP_MAX_QUEUE_SIZE", 2048),
		Batch: e.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
	}
	s.Batch = min(s.Batch, s.Queue) // one that the queue can't hold would never be complete
	switch how := e.ofTraces("COMPRESSION"); how {
	case "", "none":
	case "gzip":
		s.Gzip = true
	default:
		e.ignore(prefix+"COMPRESSION", how, "want gzip or none")
	}
	s.Ignored = e.ignored
	return s, nil
}

const prefix = "OTEL_EXPORTER_OTLP_"

// env reads variables, and keeps what is wrong with them.
type env struct {
	get     func(string) string
	ignored []string
}

func (e *env) ignore(name, value, why string) {
	e.ignored = append(e.ignored, fmt.Sprintf("%s=%s: %s", name, value, why))
}

func (e *env) text(name, otherwise string) string { return cmp.Or(e.get(name), otherwise) }

// ofTraces returns a variable of the exporter: that of traces, or the one for all signals.
func (e *env) ofTraces(name string) string {
	return cmp.Or(e.get(prefix+"TRACES_"+name), e.get(prefix+name))
}

func (e *env) count(name string, otherwise int) int {
	text := e.get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		e.ignore(name, text, "want a positive number")
		return otherwise
	}
	return n
}

// duration returns a variable in milliseconds.
func (e *env) duration(name string, otherwise time.Duration) time.Duration {
	return time.Duration(e.count(name, int(otherwise.Milliseconds()))) * time.Millisecond
}

const wantPairs = "want key=value,key=value, percent-encoded"

// pairs reads key=value,…, percent-encoded. All or nothing counts, as OpenTelemetry has it, and then it reports false.
func (e *env) pairs(name string, take func(key, value string)) bool {
	var all [][2]string
	for pair := range strings.SplitSeq(e.get(name), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, has := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !has || key == "" || err != nil {
			return false
		}
		all = append(all, [2]string{key, value})
	}
	for _, pair := range all {
		take(pair[0], pair[1])
	}
	return true
}

// headers returns the headers of each request. Without one of them the collector would take none of the spans, or take them for somebody
// else's, so what can't be one is an error. No value is told: it may be a secret.
func (e *env) headers() (h http.Header, err error) {
	h = http.Header{}
	for _, name := range []string{prefix + "HEADERS", prefix + "TRACES_HEADERS"} {
		read := e.pairs(name, func(key, value string) {
			switch {
			case strings.ContainsFunc(key, isNoToken):
				err = fmt.Errorf("%s: no header can be named %q: want ASCII letters, digits and any of %s", name, key, tokenMarks)
			case strings.ContainsFunc(value, isControl):
				err = fmt.Errorf("%s: header %s has a line break or another control character in its value", name, key)
			}
			h.Set(key, value)
		})
		if !read {
			err = fmt.Errorf("%s: %s", name, wantPairs)
		}
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// tokenMarks are what the name of a header may have besides letters and digits; see RFC 9110, 5.6.2.
const tokenMarks = "!#$%&'*+-.^_`|~"

func isNoToken(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(tokenMarks, r))
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// resource returns who makes the spans. What the environment says counts for more than what is known anyway.
func (e *env) resource() (all []Attribute) {
	host, _ := os.Hostname()
	known := []Attribute{Text("service.name", "sohost"), Text("host.name", host)}
	at := func(key, value string) {
		for i, a := range known {
			if a.Key == key {
				known[i] = Text(key, value)
				return
			}
		}
		known = append(known, Text(key, value))
	}
	if !e.pairs("OTEL_RESOURCE_ATTRIBUTES", at) {
		e.ignore("OTEL_RESOURCE_ATTRIBUTES", "…", wantPairs)
	}
	if name := e.get("OTEL_SERVICE_NAME"); name != "" {
		at("service.name", name)
	}
	return known
}
