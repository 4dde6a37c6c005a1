package traefik

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// host is what an instance sees of its host.
type host struct {
	abi.Host
	config map[string]any
}

func (h host) Config() map[string]any { return h.config }
func (h host) Plugin() string         { return "shop" }
func (h host) Logger() *slog.Logger   { return slog.New(slog.DiscardHandler) }

// config is a plugin's configuration.
type config struct {
	Headers map[string]string `json:"headers,omitempty"`
	Count   int
	Strict  bool
	Names   []string
	Nested  *struct{ Depth float64 }
}

// TestMiddleware gives a plugin its configuration and what comes next.
func TestMiddleware(t *testing.T) {
	var plugin context.Context
	exported := adapter.Exports{Symbol: &Plugin{
		CreateConfig: func() any { return &config{Count: 7} },
		New: func(ctx context.Context, next http.Handler, c any, name string) (http.Handler, error) {
			plugin = ctx
			if len(c.(*config).Headers) == 0 {
				return nil, errors.New("no headers")
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := json.Marshal(c)
				fmt.Fprintf(w, "%s %s ", name, b)
				next.ServeHTTP(w, r)
			}), nil
		},
		TestData: `{"Headers": {"a": "b"}, "names": "x,y"}`,
	}}
	for args, want := range map[string]string{
		`{}`: `shop {"headers":{"a":"b"},"Count":7,"Strict":false,"Names":["x","y"],"Nested":null} next`,
		`{"HEADERS": {"n": 1}, "count": "3", "strict": "true", "names": ["z"], "nested": {"depth": 1.5}}`://
		`shop {"headers":{"n":"1"},"Count":3,"Strict":true,"Names":["z"],"Nested":{"Depth":1.5}} next`,
		`{"count": 1}`:                "no headers",
		`{"headrs": {"a": "b"}}`:      "headrs",
		`{"count": "many"}`:           "Count",
		`{"nested": {"depth": "no"}}`: "Nested.Depth",
	} {
		in, err := load(t, args, exported)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", args, err, want)
			}
			continue
		}
		h, err := in.(interface {
			Wrap(http.Handler) (http.Handler, error)
		}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "next") }))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Body.String() != want {
			t.Errorf("%s: %s, want %s", args, w.Body, want)
		}
		if err := in.(io.Closer).Close(); err != nil || plugin.Err() == nil {
			t.Errorf("closed: %v, and the plugin's context has ended: %v", err, plugin.Err())
		}
	}
}

// TestPanic ends the context of a plugin whose New panics.
func TestPanic(t *testing.T) {
	var plugin context.Context
	defer func() {
		if v := recover(); v != "torn" || plugin.Err() == nil {
			t.Errorf("recovered %v; the plugin's context has ended: %v", v, plugin.Err())
		}
	}()
	load(t, `{}`, adapter.Exports{Symbol: &Plugin{
		CreateConfig: func() any { return &config{} },
		New: func(ctx context.Context, _ http.Handler, _ any, _ string) (http.Handler, error) {
			plugin = ctx
			panic("torn")
		},
	}})
}

func TestOtherBuild(t *testing.T) {
	if _, err := (Adapter{}).Describe(adapter.Exports{Symbol: new(int)}); err == nil {
		t.Error("a variable of another type is taken")
	}
}

func load(t *testing.T, args string, exported adapter.Exports) (abi.Instance, error) {
	t.Helper()
	d, err := Adapter{}.Describe(exported)
	if err != nil {
		t.Fatal(err)
	}
	var h host
	if err := json.Unmarshal([]byte(args), &h.config); err != nil {
		t.Fatal(err)
	}
	return d.New(t.Context(), h)
}
