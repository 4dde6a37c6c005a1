package sohost

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/headline"
)

// TestDrainNames refuses a reload because calls don't return, and says which.
func TestDrainNames(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	o := w.options("a")
	o.DrainTimeout = 10 * time.Millisecond
	r := w.host(o)
	running, finish := make(chan struct{}, 7), make(chan struct{})
	w.fail("a1 a/slow", func(context.Context) error { running <- struct{}{}; <-finish; return nil })
	answered := make(chan struct{}, 7)
	for range 7 {
		go func() { r.request("/a/slow"); answered <- struct{}{} }()
	}
	for range 7 {
		<-running
	}
	_, err := r.deploy("a2")
	refused := r.refusal(err, "a", PhaseDrain)
	for _, want := range []string{"7 calls of plugin a in generation", "(GET /a/slow for ", ", and 2 more): over its time limit of 10ms"} {
		if !strings.Contains(refused.Message, want) {
			t.Errorf("refused: %s; want %q", refused.Message, want)
		}
	}
	requests := &r.plugins()[0].serving().Value().requests
	eventually(t, "status shows them", func() bool {
		running := r.pluginStatus("a").Generations[0].Running
		return len(running) == shownCalls && running[0].Method == "GET" && running[0].Path == "/a/slow"
	})
	close(finish)
	for range 7 {
		<-answered
	}
	if left := requests.all(); len(left) > 0 {
		t.Errorf("%d requests are left in the list", len(left))
	}
}

// TestSelfCall reloads a plugin while a call of it calls the plugin again. Neither can go on without the other, so the reload is
// refused long before its time limit, and the call returns.
func TestSelfCall(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	s := httptest.NewServer(r.Host)
	defer s.Close()
	refused := make(chan struct{})
	began := make(chan struct{})
	w.fail("a1 a/self", func(context.Context) error {
		close(began)
		for {
			resp, err := http.Get(s.URL + "/a/other")
			if err != nil {
				return err
			}
			resp.Body.Close()
			select {
			case <-refused:
				return nil
			default:
			}
		}
	})
	answered := make(chan string, 1)
	go func() { answered <- r.get("/a/self") }()
	<-began
	gated := make(chan PluginStatus, 1)
	go func() {
		for {
			if s := r.pluginStatus("a"); s.Waiting > 0 {
				gated <- s
				return
			}
		}
	}()
	_, err := r.deploy("a2")
	close(refused)
	if s := <-gated; !s.Gated || s.Waiting != 1 || len(s.Generations) != 1 || s.Generations[0].Leases != 1 {
		t.Errorf("while it waits the status is %+v", s)
	}
	if why := r.refusal(err, "a", PhaseDrain).Message; !strings.Contains(why, "1 calls of plugin a in generation") ||
		!strings.Contains(why, "(GET /a/self for ") || !strings.Contains(why, "requests that the server has sent to itself wait for them, such as GET /a/other") {
		t.Errorf("refused: %s", why)
	}
	if got := <-answered; !strings.HasPrefix(got, "a1 ") {
		t.Errorf("the call is answered with %s", got)
	}
	if waiting := r.waiting.all(); len(waiting) > 0 {
		t.Errorf("%d requests wait", len(waiting))
	}
	r.mustDeploy("a2")
}

// TestGenerationLine says that a response's header is left alone where the connection adds the line.
func TestGenerationLine(t *testing.T) {
	r := newWorld(t).boots("a1")
	var line headline.Line
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequestWithContext(headline.NewContext(t.Context(), &line), "GET", "/a", nil))
	if got := rec.Header()[GenerationHeader]; got != nil {
		t.Errorf("the header has %q", got)
	}
	var sent bytes.Buffer
	line.Write(&sent, []byte("HTTP/1.1 200 OK\r\n\r\n"))
	want := "HTTP/1.1 200 OK\r\n" + GenerationHeader + ": " + r.plugins()[0].serving().Value().label + "\r\n\r\n"
	if sent.String() != want {
		t.Errorf("the connection sends %q, want %q", sent.String(), want)
	}
}

func TestShown(t *testing.T) {
	if got := shown("/a\n" + strings.Repeat("x", 200)); len(got) != shownPath || !strings.HasPrefix(got, `/a\nx`) {
		t.Errorf("shown is %s", got)
	}
}

// BenchmarkRequests is what the list of requests costs one of them.
func BenchmarkRequests(b *testing.B) {
	var rs requests
	r := httptest.NewRequest("GET", "/a", nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rs.begin(r).end()
		}
	})
}

// silentWriter is a writer as net/http has one for HTTP/1.
type silentWriter struct {
	http.ResponseWriter
	http.Hijacker
	http.Flusher
	io.ReaderFrom
	io.StringWriter
}

// BenchmarkHandle is what the list of requests and counting cost one of them.
func BenchmarkHandle(b *testing.B) {
	p := plugin{host: new(Host)}
	l := new(loaded)
	r := httptest.NewRequest("GET", "/a", nil)
	var w http.ResponseWriter = &silentWriter{}
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	b.ReportAllocs()
	for b.Loop() {
		p.handle(w, r, l, handler)
	}
}
