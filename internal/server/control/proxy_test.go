package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/control"
)

// fakeWorker answers by a handler; without one it ends before it has read a request's body.
type fakeWorker struct{ server *httptest.Server }

func newWorker(t *testing.T, h http.HandlerFunc) *fakeWorker {
	if h == nil {
		h = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &fakeWorker{s}
}

func (w *fakeWorker) ConnectControl() (net.Conn, error) {
	return net.Dial("tcp", w.server.Listener.Addr().String())
}

// fakeSupervisor offers its workers one after the other.
type fakeSupervisor struct {
	workers  []control.Worker
	asked    chan control.HandoverRequest
	handover *sohost.Handover
	err      error
	built    []control.BuildReport
	events   *events.Log
}

func (s *fakeSupervisor) Events() *events.Log { return s.events }

func (s *fakeSupervisor) Life() control.Life { return control.Life{PID: 42} }

func (s *fakeSupervisor) Status(_ context.Context, brief bool) control.Status {
	status := control.Status{PID: 42, Memory: 1 << 20}
	if brief {
		status.Memory = 0
	}
	return status
}

func (s *fakeSupervisor) Handover(_ context.Context, r control.HandoverRequest) (*sohost.Handover, error) {
	s.asked <- r
	return s.handover, s.err
}

func (s *fakeSupervisor) Reload(context.Context, control.ReloadRequest) (*control.ConfigReload, error) {
	return &control.ConfigReload{Changes: []control.Change{{Key: "settle", Was: "50ms", Is: "1s"}}}, s.err
}

func (s *fakeSupervisor) CrashOutput(name string) ([]byte, error) {
	if name != "1.txt" {
		return nil, errors.New("no such file")
	}
	return []byte("panic: oh"), nil
}

func (s *fakeSupervisor) NoteBuild(r control.BuildReport) { s.built = append(s.built, r) }

func (s *fakeSupervisor) Worker(ctx context.Context, tried ...control.Worker) (control.Worker, error) {
	if !reflect.DeepEqual(tried, append([]control.Worker(nil), s.workers[:len(tried)]...)) {
		return nil, errors.New("others were tried")
	}
	if len(tried) < len(s.workers) {
		return s.workers[len(tried)], nil
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func proxy(t *testing.T, s *fakeSupervisor) (*control.Client, string) {
	t.Helper()
	s.events = events.NewLog(time.Now())
	s.asked = make(chan control.HandoverRequest, 1)
	socket := listen(t, tempDir(t), control.NewProxy(s))
	return control.NewClient(socket), socket
}

// TestSupervisorAnswers asks for what the supervisor knows itself.
func TestSupervisorAnswers(t *testing.T) {
	s := &fakeSupervisor{handover: &sohost.Handover{Taker: 7}}
	c, socket := proxy(t, s)
	if status, err := c.Status(t.Context()); err != nil || status.PID != 42 || status.Memory != 1<<20 {
		t.Errorf("the status is %+v, %v", status, err)
	}
	if status, err := c.Brief(t.Context()); err != nil || status.PID != 42 || status.Memory != 0 {
		t.Errorf("the brief status is %+v, %v", status, err)
	}
	want := control.HandoverRequest{Why: "why", Program: "/p", Images: map[string]string{"a": "/a", "b": ""}}
	if h, err := c.Handover(t.Context(), want); err != nil || h.Taker != 7 {
		t.Errorf("the handover is %+v, %v", h, err)
	}
	if got := <-s.asked; !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
	for _, body := range []string{`{"program":"p"}`, `{"images":{"a":"a.so"}}`} {
		if status, answer := raw(t, socket, "POST", "/v1/handover", body); status != 409 ||
			!strings.Contains(answer, `"code":"invalid"`) || !strings.Contains(answer, "want an absolute path") {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	s.err = control.ErrStopping
	_, err := c.Handover(t.Context(), control.HandoverRequest{})
	if f := failure(t, err); f.Code != control.CodeStopping || !errors.Is(err, control.ErrStopping) ||
		errors.Is(err, sohost.ErrUnknownPlugin) {
		t.Errorf("the failure is %+v", f)
	}
	<-s.asked
	s.err = &control.Failure{Message: "no", Refusal: &sohost.Refusal{Plugin: "a"}}
	_, err = c.Handover(t.Context(), control.HandoverRequest{})
	if f := failure(t, err); f.Code != control.CodeRefused || f.Refusal.Plugin != "a" || f.Message != "no" {
		t.Errorf("the failure is %+v", f)
	}
}

func failure(t *testing.T, err error) *control.Failure {
	t.Helper()
	var f *control.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is no Failure", err)
	}
	return f
}

// TestPass lets workers answer. The request and the answer arrive as they are; workers that can't answer are passed over.
func TestPass(t *testing.T) {
	type seen struct{ method, uri, body string }
	requests := make(chan seen, 10)
	answers := newWorker(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		n, _ := r.Body.Read(b)
		requests <- seen{r.Method, r.URL.RequestURI(), string(b[:n])}
		w.Header().Set("Content-Type", "text/weird")
		w.WriteHeader(http.StatusTeapot)
		w.Write([]byte("answer"))
	})
	gone := newWorker(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMisdirectedRequest)
		json.NewEncoder(w).Encode(&control.Failure{Code: control.CodeHandedOver})
	})
	ends := newWorker(t, nil)
	dies := newWorker(t, func(_ http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		panic(http.ErrAbortHandler)
	})
	tests := []struct {
		method, path, body string
		workers            []control.Worker
		status             int
		answer             string
	}{
		{"GET", "/v1/history?n=3", "", []control.Worker{answers}, 418, "answer"},
		{"POST", "/v1/deploy", `{"images":{}}`, []control.Worker{answers}, 418, "answer"},
		{"POST", "/v1/prune", `{"keep":3}`, []control.Worker{gone, answers}, 418, "answer"},
		{"GET", "/v1/releases", "", []control.Worker{gone, dies, answers}, 418, "answer"},
		{"POST", "/v1/deploy", `{"images":{}}`, []control.Worker{gone, ends, answers}, 418, "answer"},
		{"POST", "/v1/deploy", `{"images":{}}`, []control.Worker{gone,
			dies, answers}, 502, `{"code":"worker_died","error":"the worker died over the request (`},
		{"POST", "/v1/deploy", strings.Repeat(" ", 1<<20+1), []control.Worker{answers}, 400, `{"code":"invalid","error":"request body: `},
	}
	for _, test := range tests {
		_, socket := proxy(t, &fakeSupervisor{workers: test.workers})
		status, answer := raw(t, socket, test.method, test.path, test.body)
		if status != test.status || !strings.HasPrefix(answer, test.answer) {
			t.Errorf("%s %s: %d %.100s, want %d %s", test.method, test.path, status, answer, test.status, test.answer)
		}
		if status == 418 {
			if got := <-requests; got != (seen{test.method, test.path, test.body}) {
				t.Errorf("the worker sees %+v, want %+v", got, test)
			}
		}
	}
	resp, err := control.Ask(t.Context(), answers, "GET", "/", nil)
	if err != nil || resp.Header.Get("Content-Type") != "text/weird" {
		t.Errorf("asked for itself it answers %v, %v", resp, err)
	}
	resp.Body.Close()
	_, socket := proxy(t, &fakeSupervisor{})
	unix := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}
	defer unix.CloseIdleConnections()
	if resp, err = (&http.Client{Transport: unix}).Get("http://server/v1/status"); err != nil ||
		resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("the proxy's own answer is %v, %v", resp, err)
	}
	resp.Body.Close()
}

// TestHalfAnswer has a worker die in the middle of an answer. What has come of it is no profile.
func TestHalfAnswer(t *testing.T) {
	dies := newWorker(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half"))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	c, _ := proxy(t, &fakeSupervisor{workers: []control.Worker{dies}})
	if text, err := c.Profile(t.Context(), "heap", 0); err == nil {
		t.Errorf("the answer is %q", text)
	}
}

// unread is a body that nobody is to read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// TestProfiles asks as one asks net/http/pprof. What a client sends beside its question isn't kept.
func TestProfiles(t *testing.T) {
	worker := newWorker(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.RequestURI()) })
	h := control.NewProfiles(&fakeSupervisor{workers: []control.Worker{worker}})
	for ask, want := range map[string]string{"profile?seconds=3": "cpu?seconds=3", "heap": "heap"} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest("GET", "/debug/pprof/"+ask, unread{t}))
		if got := answer.Body.String(); got != "/v1/profile/"+want {
			t.Errorf("%s is asked for as %q, %d", ask, got, answer.Code)
		}
	}
}

// TestClientGone has clients go away that wait for a worker, or for its answer. The proxy stops waiting.
func TestClientGone(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	slow := newWorker(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	c, _ := proxy(t, &fakeSupervisor{workers: []control.Worker{slow}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := c.Releases(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the client gets %v", err)
	}
	<-left

	cause := errors.New("had enough")
	ctx, end := context.WithCancelCause(t.Context())
	end(cause)
	if _, err := control.Ask(ctx, slow, "GET", "/", nil); !errors.Is(err, cause) {
		t.Errorf("Ask says %v, want the cause too", err)
	}
	if _, err := control.Ask(t.Context(), slow, "bad method", "/", nil); err == nil {
		t.Error("a request that can't be made is no error")
	}
}

// TestOddServers has a client talk to servers that aren't one.
func TestOddServers(t *testing.T) {
	for _, test := range []struct {
		name string
		do   http.HandlerFunc
		want string
	}{
		{"text", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "what?", 404) }, "the server answers 404 Not Found: "},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("fine")) }, "read the server's answer: "},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ask the server: "},
	} {
		socket := listen(t, tempDir(t), &http.Server{Handler: test.do})
		if _, err := control.NewClient(socket).Releases(t.Context()); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}
