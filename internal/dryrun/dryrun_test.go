package dryrun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/triggers"
)

// plugin is a plugin of a test, which does what its functions do.
type plugin struct {
	batch   func(context.Context, *abi.Batch) error
	request http.HandlerFunc
	start   error
	stop    error
}

func (p *plugin) HandleBatch(ctx context.Context, b *abi.Batch) error  { return p.batch(ctx, b) }
func (p *plugin) ServeHTTP(w http.ResponseWriter, r *http.Request)     { p.request(w, r) }
func (p *plugin) HandleSchedule(ctx context.Context, _ abi.Tick) error { return errors.New("broken") }
func (p *plugin) Start(context.Context) error                          { return p.start }
func (p *plugin) Stop(context.Context) error                           { return p.stop }

// try carries out an order in this process.
func try(t *testing.T, o Order, make func(abi.Host) *plugin) Result {
	t.Helper()
	o, err := o.resolved()
	if err != nil {
		t.Fatal(err)
	}
	collected := newCollector(o)
	c := &child{teller: newTeller(collected), task: task{Order: o}}
	c.run(instance.NewImage("test.so", nil, &abi.Descriptor{
		ABI: abi.Version, New: func(_ context.Context, h abi.Host) (abi.Instance, error) { return make(h), nil },
	}))
	return collected.finish()
}

const points = "cpu v=1 1\nmem v=1 1\ncpu v=2 2\n"

var now = time.Unix(0, 0).UTC()

// TestBatch finds in a batch the rows of the trigger's table, and its arguments over those of the plugin.
func TestBatch(t *testing.T) {
	o := Order{
		Steps: []Step{{Write: []byte(points)}, {Write: []byte("disk v=1 1")}}, Args: map[string]string{"b": "2"}, Values: map[string]any{"a": 1}, Database: "db",
		Triggers: []triggers.Trigger{{Spec: "table:cpu", Args: map[string]string{"b": "3"}}},
	}
	r := try(t, o, func(h abi.Host) *plugin {
		return &plugin{batch: func(ctx context.Context, b *abi.Batch) error {
			h.Logger().Debug("got", "tables", len(b.Tables), "db", b.Database, "a", b.Trigger.Args["a"], "b", b.Trigger.Args["b"])
			if a := adapter.Config(h)["a"]; a != 1.0 {
				t.Errorf("the argument is %v, not a number", a)
			}
			h.SharedCache().Delete("k")
			if h.Cache().Put("large", make([]byte, maxCache), 0) == nil {
				t.Error("a value larger than the cache was taken")
			}
			return h.Emit(ctx, b.Tables)
		}}
	})
	if s := r.Steps[0]; s.Error != "" || s.Rows != 2 || s.Emitted[0].Lines != "cpu v=1 1\ncpu v=2 2\n" ||
		s.Logs[0] != (Log{"DEBUG", "msg=got tables=1 db=db a=1 b=3"}) || !s.Cached[0].Shared || s.Cached[1].Error == "" {
		t.Errorf("got %+v", s)
	}
	if s := r.Steps[1]; !strings.Contains(s.Error, `no row is of the table "cpu"`) || r.OK {
		t.Errorf("got %+v, OK %v", s, r.OK)
	}
}

// TestPolicy says what would follow an error, and makes the next call.
func TestPolicy(t *testing.T) {
	for policy, want := range map[triggers.Policy]string{"log": "the next call made", "retry": "3 times", "disable": "disabled until"} {
		o := Order{
			Steps:    []Step{{Schedule: &now}, {Schedule: &now}},
			Triggers: []triggers.Trigger{{Spec: "cron:0 6 * * *", OnError: policy, Attempts: 3}},
		}
		r := try(t, o, func(abi.Host) *plugin { return &plugin{} })
		if len(r.Steps) != 2 || r.Steps[1].Error != "broken" || !strings.Contains(r.Steps[0].Then, want) || r.Failed != nil {
			t.Errorf("%s: got %+v", policy, r)
		}
	}
}

// TestRequest gives a handler its request as a server does, and takes whatever it does with it.
func TestRequest(t *testing.T) {
	for _, test := range []struct {
		name        string
		does        http.HandlerFunc
		status      int
		body, error string
	}{
		{"nothing", func(http.ResponseWriter, *http.Request) {}, 200, "", ""},
		{"trigger", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Context().Value(abi.TriggerKey{}).(*abi.Trigger).Spec, " ", r.Host, " ", r.URL.Query().Get("q"))
		}, 200, "request:/x here 1", ""},
		{"large", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
			w.Write(make([]byte, maxAnswer+1))
		}, 202, string(make([]byte, maxAnswer)), ""},
		{"abort", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, 0, "", "abort Handler"},
		{"goexit", func(w http.ResponseWriter, r *http.Request) { runtime.Goexit() }, 0, "", "ended its goroutine"},
		{"late panic", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "half")
			panic("late")
		}, 200, "half", "panic: late"},
	} {
		o := Order{
			Steps:    []Step{{Request: &Request{Method: "GET", Path: "/x?q=1", Header: http.Header{"Host": {"here"}}}}},
			Triggers: []triggers.Trigger{{Spec: "request:/x"}},
		}
		s := try(t, o, func(abi.Host) *plugin { return &plugin{request: test.does} }).Steps[0]
		if !strings.Contains(s.Error, test.error) || (s.Error == "") != (test.error == "") {
			t.Errorf("%s: error %q, want %q", test.name, s.Error, test.error)
		}
		if a := s.Answer; test.status == 0 && a != nil || test.status != 0 && (a == nil || a.Status != test.status || string(a.Body) != test.body) {
			t.Errorf("%s: got another answer", test.name)
		}
	}
}

// TestEnds tells a failure of Start or Stop, and calls nothing after the first.
func TestEnds(t *testing.T) {
	o := Order{Steps: []Step{{Request: &Request{Method: "GET", Path: "/"}}}}
	serves := func(http.ResponseWriter, *http.Request) {}
	r := try(t, o, func(abi.Host) *plugin { return &plugin{request: serves, start: errors.New("no port")} })
	if r.OK || r.Failed == nil || r.Failed.Phase != Start || !strings.Contains(r.Failed.Error, "no port") || len(r.Steps) != 0 {
		t.Errorf("got %+v", r)
	}
	r = try(t, o, func(abi.Host) *plugin { return &plugin{request: serves, stop: errors.New("stuck")} })
	if r.OK || r.Failed == nil || r.Failed.Phase != Stop || len(r.Steps) != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestCollector takes events in pieces, drops what is too much, and tells a child that died from one that has ended.
func TestCollector(t *testing.T) {
	o := Order{Steps: []Step{{Schedule: &now}}}
	c := newCollector(o)
	for _, piece := range []string{`{"phase":"ca`, "ll\"}\nnonsense\n{\"log\":{\"text\":\"a\"}}\n{\"end\"", ":tr", "ue}\n"} {
		c.Write([]byte(piece))
	}
	if !c.ended || len(c.Steps) != 1 || c.Steps[0].Logs[0].Text != "a" {
		t.Errorf("got %+v", c.Result)
	}
	c.died("it died")
	if r := c.finish(); r.OK || r.Steps[0].Error != "it died" || r.Failed != nil {
		t.Errorf("got %+v", r)
	}
	c = newCollector(o)
	c.Write([]byte(`{"phase":"call"}` + "\n"))
	for range maxTold>>20 + 1 {
		c.Write(make([]byte, 1<<20))
	}
	c.died("it has ended its process, with exit status 0")
	if r := c.finish(); r.OK || !r.Cut || !strings.Contains(r.Failed.Error, "give it less to do") || r.Steps[0].Error != "" || c.line.Len() > 0 {
		t.Errorf("got %+v, %+v", r.Failed, r.Steps)
	}
}

// TestOrder refuses orders that can't be carried out, and says why.
func TestOrder(t *testing.T) {
	fine := Step{Schedule: &now}
	for want, o := range map[string]Order{
		"nothing to call":           {},
		"1001 calls":                {Steps: make([]Step, 1001)},
		"timeout 1h0m0s":            {Steps: []Step{fine}, Timeout: time.Hour},
		"neither a write":           {Steps: []Step{fine, {}}},
		"more than one":             {Steps: []Step{{Schedule: &now, Request: &Request{Method: "GET", Path: "/"}}}},
		"call 2: line 1":            {Steps: []Step{fine, {Write: []byte("x")}}},
		"no rows":                   {Steps: []Step{{Write: []byte("# only this")}}},
		"and 1 more":                {Steps: []Step{{Write: []byte("a\nb\nc\nd\n")}}},
		"begins with /":             {Steps: []Step{{Request: &Request{Method: "GET", Path: "x"}}}},
		"invalid method":            {Steps: []Step{{Request: &Request{Method: "G T", Path: "/x"}}}},
		"trigger: on_error":         {Steps: []Step{fine}, Triggers: []triggers.Trigger{{Spec: "write:*", OnError: "x"}}},
		"answer 1 of a query: line": {Steps: []Step{fine}, Answers: [][]byte{[]byte("x")}},
		"want an absolute path":     {Steps: []Step{fine}, Image: "x.so"},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
