package krakend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// host is what an instance sees of its host.
type host struct {
	abi.Host
	config map[string]any
	log    *slog.Logger
}

func (h host) Config() map[string]any { return h.config }
func (h host) Logger() *slog.Logger   { return h.log }

// registerer is a plugin. Its type, like those that it declares for what it gets, is known to nobody else.
type registerer struct {
	handlers func(func(string, func(context.Context, map[string]any, http.Handler) (http.Handler, error)))
	clients  func(func(string, func(context.Context, map[string]any) (http.Handler, error)))
	modify   func(func(string, func(map[string]any) func(any) (any, error), bool, bool))
	logger   any
	ctx      context.Context
}

func (r *registerer) RegisterLogger(l any)                { r.logger = l }
func (r *registerer) RegisterContext(ctx context.Context) { r.ctx = ctx }
func (r *registerer) RegisterHandlers(f func(string, func(context.Context, map[string]any, http.Handler) (http.Handler, error))) {
	r.handlers(f)
}
func (r *registerer) RegisterClients(f func(string, func(context.Context, map[string]any) (http.Handler, error))) {
	r.clients(f)
}
func (r *registerer) RegisterModifiers(f func(string, func(map[string]any) func(any) (any, error), bool, bool)) {
	r.modify(f)
}

// load makes an instance of a plugin that exports the variables. The arguments are JSON.
func load(t *testing.T, config string, exported adapter.Exports) (abi.Instance, *strings.Builder, error) {
	t.Helper()
	d, err := Adapter{}.Describe(exported)
	if err != nil {
		t.Fatal(err)
	}
	h, log := host{config: map[string]any{}}, &strings.Builder{}
	h.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := json.Unmarshal([]byte(config), &h.config); err != nil {
		t.Fatal(err)
	}
	in, err := d.New(t.Context(), h)
	return in, log, err
}

// before returns the instance before a handler.
func before(t *testing.T, in abi.Instance, next http.HandlerFunc) http.Handler {
	t.Helper()
	h, err := in.(interface {
		Wrap(http.Handler) (http.Handler, error)
	}).Wrap(next)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", target, strings.NewReader("body"))
	r.Header.Set("Upgrade", "h2c") // a wish, which changes nothing unless it is granted
	h.ServeHTTP(w, r)
	return w
}

// TestHandlers has two handlers, which get their configuration and stand before what comes next, the last one first.
func TestHandlers(t *testing.T) {
	r := &registerer{}
	r.handlers = func(f func(string, func(context.Context, map[string]any, http.Handler) (http.Handler, error))) {
		for _, name := range []string{"one", "two", "unused"} {
			f(name, func(_ context.Context, extra map[string]any, next http.Handler) (http.Handler, error) {
				own, ok := extra[name].(map[string]any)
				if !ok {
					return nil, errors.New("no configuration")
				}
				return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					fmt.Fprintf(w, "%s %v ", name, own["n"])
					next.ServeHTTP(w, req)
				}), nil
			})
		}
	}
	exported := adapter.Exports{"HandlerRegisterer": r}
	in, log, err := load(t, `{"name": ["one", "two"], "one": {"n": 1.5}, "two": {"n": "x"}}`, exported)
	if err != nil {
		t.Fatal(err)
	}
	h := before(t, in, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "backend") })
	if got := get(h, "/").Body.String(); got != "two x one 1.5 backend" {
		t.Errorf("the answer is %q", got)
	}
	if w := get(in.(http.Handler), "/"); !strings.Contains(w.Body.String(), "nothing comes after it") {
		t.Errorf("without a backend the answer is %q", w.Body)
	}
	r.logger.(interface{ Warning(...any) }).Warning("a", 1, "b")
	if !strings.Contains(log.String(), `level=WARN msg="a 1 b"`) {
		t.Errorf("the log is %s", log)
	}
	if err := in.(io.Closer).Close(); err != nil || r.ctx.Err() == nil {
		t.Errorf("closed: %v, and the plugin's context has ended: %v", err, r.ctx.Err())
	}
	for config, want := range map[string]string{
		`{"name": "three"}`: "args.name has three, but the plugin registers one, two, unused",
		`{"name": 3}`:       "args.name: want a string or a list of strings",
		`{}`:                "handler one: no configuration",
	} {
		if _, _, err := load(t, config, exported); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}

// TestClients has a client, which takes the backend's place and finds its name as a string.
func TestClients(t *testing.T) {
	r := &registerer{}
	names := []string{"c"}
	r.clients = func(f func(string, func(context.Context, map[string]any) (http.Handler, error))) {
		for _, name := range names {
			f(name, func(_ context.Context, extra map[string]any) (http.Handler, error) {
				if extra["name"] != name {
					return nil, fmt.Errorf("the name is %v", extra["name"])
				}
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }), nil
			})
		}
	}
	exported := adapter.Exports{"ClientRegisterer": r}
	in, _, err := load(t, `{}`, exported)
	if err != nil {
		t.Fatal(err)
	}
	if got := get(in.(http.Handler), "/").Body.String(); got != "c" {
		t.Errorf("the answer is %q", got)
	}
	if _, stands := in.(interface {
		Wrap(http.Handler) (http.Handler, error)
	}); stands {
		t.Error("a client stands before others")
	}
	names = []string{"c", "d"}
	if _, _, err := load(t, `{}`, exported); err == nil || !strings.Contains(err.Error(), "set args.name to one of c, d") {
		t.Errorf("of two clients: %v", err)
	}
	if _, _, err := load(t, `{"name": "d"}`, exported); err != nil {
		t.Error(err)
	}
}

// changed is a request or response of a plugin's own.
type changed struct {
	method string
	header map[string][]string
	path   string
	query  url.Values
	body   io.Reader
	data   map[string]any
	status int
}

func (c changed) Params() map[string]string    { return nil }
func (c changed) Headers() map[string][]string { return c.header }
func (c changed) Body() io.ReadCloser          { return io.NopCloser(c.body) }
func (c changed) Method() string               { return c.method }
func (c changed) URL() *url.URL                { return nil }
func (c changed) Query() url.Values            { return c.query }
func (c changed) Path() string                 { return c.path }
func (c changed) Data() map[string]any         { return c.data }
func (c changed) Io() io.Reader                { return c.body }
func (c changed) IsComplete() bool             { return true }
func (c changed) StatusCode() int              { return c.status }

// coded is an error with a status.
type coded struct{ error }

func (coded) StatusCode() int { return http.StatusTeapot }

// TestModifiers lets modifiers change each part of requests and responses, in place or by another value, and refuse both.
func TestModifiers(t *testing.T) {
	r, request, response := &registerer{}, func(in any) (any, error) { return in, nil }, func(any) (any, error) { return nil, nil }
	r.modify = func(f func(string, func(map[string]any) func(any) (any, error), bool, bool)) {
		f("request", func(map[string]any) func(any) (any, error) { return request }, true, false)
		f("response", func(map[string]any) func(any) (any, error) { return response }, false, true)
		f("none", func(map[string]any) func(any) (any, error) { return nil }, true, true)
	}
	answer := func() (string, int, string) {
		in, _, err := load(t, `{}`, adapter.Exports{"ModifierRegisterer": r})
		if err != nil {
			t.Fatal(err)
		}
		var seen string
		w := get(before(t, in, func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			seen = fmt.Sprintf("%s %s %s %s", q.Method, q.URL, q.Header.Get("X"), body)
			w.Header().Set("X", "old")
			fmt.Fprint(w, `{"n": 12345678901234567890}`)
		}), "/a%2Fb?q=1&p=2")
		return seen, w.Code, w.Header().Get("X") + " " + w.Header().Get("Content-Length") + " " + w.Body.String()
	}
	for _, test := range []struct {
		name              string
		request, response func(any) (any, error)
		seen              string
		status            int
		answer            string
	}{
		{"nothing", nil, nil, "GET /a%2Fb?q=1&p=2  body", 200, `old 27 {"n": 12345678901234567890}`},
		{"in place", func(in any) (any, error) {
			in.(interface{ Headers() map[string][]string }).Headers()["X"] = []string{"h"}
			in.(interface{ Query() url.Values }).Query().Set("q", "2")
			return in, nil
		}, func(in any) (any, error) {
			in.(interface{ Data() map[string]any }).Data()["m"] = true
			in.(interface{ Headers() map[string][]string }).Headers()["X"] = []string{"new"}
			return in, nil
		}, "GET /a%2Fb?p=2&q=2 h body", 200, `new 35 {"m":true,"n":12345678901234567890}`},
		{"another value", func(any) (any, error) {
			return changed{method: "PUT", path: "/z", body: strings.NewReader("B"), query: url.Values{"s": {"t"}}}, nil
		}, func(any) (any, error) {
			return changed{status: 202, body: strings.NewReader("R")}, nil
		}, "PUT /z?s=t  B", 202, " 1 R"},
		{"refused request", func(any) (any, error) { return nil, coded{errors.New("a secret")} }, nil, "", 418, "  I'm a teapot\n"},
		{"refused response", nil, func(any) (any, error) { return nil, errors.New("a secret") }, "GET /a%2Fb?q=1&p=2  body", 500,
			"  Internal Server Error\n"},
	} {
		request, response = func(in any) (any, error) { return in, nil }, func(any) (any, error) { return nil, nil }
		if test.request != nil {
			request = test.request
		}
		if test.response != nil {
			response = test.response
		}
		seen, status, got := answer()
		if seen != test.seen || status != test.status || got != test.answer {
			t.Errorf("%s: the backend sees %q, the client %d %q; want %q, %d %q", test.name, seen, status, got, test.seen, test.status, test.answer)
		}
	}
}

func TestDescribe(t *testing.T) {
	if _, err := (Adapter{}).Describe(adapter.Exports{"HandlerRegisterer": new(int)}); err == nil ||
		!strings.Contains(err.Error(), "HandlerRegisterer is a int, which has no method RegisterHandlers") {
		t.Error(err)
	}
}
