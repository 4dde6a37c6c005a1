package tyk

import (
	"encoding/json"
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
func (h host) Logger() *slog.Logger   { return slog.New(slog.DiscardHandler) }

var exported = adapter.Exports{
	"Header": func(_ http.ResponseWriter, r *http.Request) { r.Header.Add("Foo", "Bar") },
	"Gate": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/shut" {
			http.Error(w, "shut", http.StatusForbidden)
		}
	},
	"Sign": func(_ http.ResponseWriter, res *http.Response, r *http.Request) { res.Header.Set("Signed", r.URL.Path) },
	"Loud": func(_ http.ResponseWriter, res *http.Response, _ *http.Request) {
		b, _ := io.ReadAll(res.Body)
		res.Body, res.StatusCode = io.NopCloser(strings.NewReader(strings.ToUpper(string(b)))), 202
	},
	"Replace": func(w http.ResponseWriter, _ *http.Response, _ *http.Request) { fmt.Fprint(w, "replaced") },
	"Other":   new(int),
}

func TestFunctions(t *testing.T) {
	for _, test := range []struct{ config, path, answer string }{
		{`{"functions": "Header", "response_functions": []}`, "/", "200  Bar"},
		{`{"functions": ["Gate", "Header"], "response_functions": ["Sign", "Loud"]}`, "/x", "202 /x BAR"},
		{`{"functions": ["Gate", "Header"], "response_functions": ["Sign", "Loud"]}`, "/shut", "403  shut\n"},
		{`{"functions": [], "response_functions": ["Replace", "Sign"]}`, "/", "200  replaced"},
	} {
		in, err := load(t, test.config, exported)
		if err != nil {
			t.Fatal(err)
		}
		h, err := in.(*adapter.Middleware).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Header.Get("Foo"))
		}))
		if err != nil {
			t.Fatal(err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", test.path, nil)
		r.Header.Set("Upgrade", "h2c") // a wish, which changes nothing unless it is granted
		h.ServeHTTP(w, r)
		if got := fmt.Sprintf("%d %s %s", w.Code, w.Header().Get("Signed"), w.Body); got != test.answer {
			t.Errorf("%s: %q, want %q", test.config, got, test.answer)
		}
	}
}

// TestTaken has a function take the connection over: nothing comes after it.
func TestTaken(t *testing.T) {
	in, err := load(t, `{}`, adapter.Exports{"Take": func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
		conn.Close()
	}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := in.(*adapter.Middleware).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the next handler was called") }))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close() // waits for the handler
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "mine" {
		t.Errorf("the client got %q, %v", body, err)
	}
}

func TestRefused(t *testing.T) {
	one := adapter.Exports{"Header": exported["Header"]}
	if _, err := load(t, `{}`, one); err != nil {
		t.Errorf("of one function: %v", err)
	}
	for config, want := range map[string]string{
		`{"response_functions": []}`:                  "set args.functions to a list of the ones to call, of Gate, Header",
		`{"functions": "Loud"}`:                       "args.functions has Loud, which the plugin doesn't export in that form: it has Gate, Header",
		`{"functions": 3}`:                            "args.functions: want a string or a list of strings",
		`{"functions": [], "response_functions": []}`: "args.functions and args.response_functions name no function",
	} {
		if _, err := load(t, config, exported); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	if _, err := (Adapter{}).Describe(adapter.Exports{"Other": new(int)}); err == nil || !strings.Contains(err.Error(), "it exports Other") {
		t.Error(err)
	}
}

// TestGateway refuses what needs Tyk, by the name of the import.
func TestGateway(t *testing.T) {
	for packages, want := range map[string]string{
		"fmt example.com/p github.com/TykTechnologies/tykish": "",
		"github.com/TykTechnologies/tyk/ctx": "it uses Tyk's gateway, which isn't there: github.com/TykTechnologies/tyk/ctx (the session and " +
			"the API definition of a request)",
		"github.com/TykTechnologies/tyk/regexp": "it uses Tyk's gateway, which isn't there: github.com/TykTechnologies/tyk/regexp",
	} {
		got, remedy := (Adapter{}).Check(strings.Fields(packages))
		if got != want || (remedy == "") != (want == "") {
			t.Errorf("%s: %q, want %q", packages, got, want)
		}
	}
}

func load(t *testing.T, config string, exported adapter.Exports) (abi.Instance, error) {
	t.Helper()
	d, err := Adapter{}.Describe(exported)
	if err != nil {
		t.Fatal(err)
	}
	var h host
	if err := json.Unmarshal([]byte(config), &h.config); err != nil {
		t.Fatal(err)
	}
	return d.New(t.Context(), h)
}
