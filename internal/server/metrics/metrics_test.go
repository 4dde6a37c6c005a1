package metrics

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/control"
)

// full returns a status in which everything is set, each list with one element.
func full() (s control.Status) {
	fill(reflect.ValueOf(&s).Elem(), 0)
	s.Plugins[0].Name, s.Unknown = "a \"b\\\n\xff", ""
	return s
}

func fill(v reflect.Value, depth int) {
	switch {
	case depth > 8 || !v.CanSet():
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(7, 5e8)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case v.Kind() == reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(3)
	case v.CanUint():
		v.SetUint(3)
	}
}

var (
	head   = regexp.MustCompile(`^# (HELP [a-z_]+ [A-Z1].*\.|TYPE [a-z_]+ (gauge|counter|histogram))$`)
	sample = regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="([^"\\]|\\["\\n])*"(,[a-z]+="([^"\\]|\\["\\n])*")*\})? [0-9.e+-]+$`)
)

var histogram = regexp.MustCompile(`^(sohost_.*_seconds)_(bucket|sum|count)$`)

// TestText reads the text of a status in which everything is set: each family has a sample, and each line is as it must be.
func TestText(t *testing.T) {
	text := string(Text(full(), true, happened()))
	names := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		m := sample.FindStringSubmatch(line)
		if m == nil && !head.MatchString(line) {
			t.Errorf("the line %q", line)
		}
		if m != nil {
			names[histogram.ReplaceAllString(m[1], "$1")] = true
		}
	}
	for _, f := range families {
		if !names[f.name] {
			t.Errorf("%s has no sample", f.name)
		}
		if strings.HasSuffix(f.name, "_total") != (f.kind == "counter") {
			t.Errorf("%s is a %s", f.name, f.kind)
		}
	}
	if len(names) != len(families) {
		t.Errorf("%d names of %d families", len(names), len(families))
	}
	if want := `sohost_plugin_serving{plugin="a \"b\\\n` + "\uFFFD" + `"} 1`; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	if empty := string(Text(control.Status{}, false, happened())); !strings.Contains(empty, "\nsohost_ready 0\n") || strings.Contains(empty, "sohost_plugin_") {
		t.Errorf("of an empty status:\n%s", empty)
	}
	unknown := full()
	unknown.Unknown, unknown.Plugins, unknown.Sinks = "no worker serves yet", nil, nil
	text = string(Text(unknown, false, happened()))
	for _, name := range []string{"sohost_release ", "sohost_quarantined_images ", "sohost_handover_due "} {
		if strings.Contains(text, "\n"+name) {
			t.Errorf("%s is told of a worker that says nothing", name)
		}
	}
	if !strings.Contains(text, "\nsohost_store_fault 1\n") {
		t.Errorf("what the supervisor knows is left out:\n%s", text)
	}
}

// TestFirstEvents has a value for kinds of which there was no event yet: without one, nobody sees the first as an increase.
func TestFirstEvents(t *testing.T) {
	s := control.Status{}
	s.Plugins = []sohost.PluginStatus{{Name: "a"}, {Name: "b"}}
	text := string(Text(s, true, happened()))
	for _, want := range []string{`kind="worker died",plugin=""} 0`, `kind="deploy",plugin="a"} 1`, `kind="deploy",plugin="b"} 0`} {
		if want = "\nsohost_events_total{" + want + "\n"; strings.Count(text, want) != 1 {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// happened returns a log with one event.
func happened() *events.Log {
	l := events.NewLog(time.Now())
	l.Add(1, generations.Event{Kind: generations.KindDeploy, Plugin: "a", Phases: map[string]time.Duration{"open": time.Second}})
	return l
}

type source struct{ why string }

func (s *source) Events() *events.Log { return happened() }

func (s *source) Status(context.Context, bool) control.Status { return control.Status{Unknown: s.why} }
func (s *source) NotReady() string                            { return s.why }

// TestServer asks for each page of a server that is ready, and of one that isn't.
func TestServer(t *testing.T) {
	s := &source{}
	h := NewServer(s, nil).Handler
	for _, test := range []struct {
		why, method, path string
		code              int
		text              string
	}{
		{"", "GET", "/healthz", 200, "ok"},
		{"", "GET", "/readyz", 200, "ok"},
		{"", "GET", "/metrics", 200, "sohost_ready 1"},
		{"no worker serves yet", "GET", "/healthz", 200, "ok"},
		{"no worker serves yet", "GET", "/readyz", 503, "no worker serves yet"},
		{"no worker serves yet", "GET", "/metrics", 200, "sohost_ready 0"},
		{"", "POST", "/metrics", http.StatusMethodNotAllowed, ""},
		{"", "GET", "/", 404, ""},
	} {
		s.why = test.why
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.text) {
			t.Errorf("%s %s with %q: %d %s", test.method, test.path, test.why, w.Code, w.Body)
		}
	}
}
