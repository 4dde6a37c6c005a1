package worker

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
)

// TestOpenAhead opens connections before the plugins are the taker's. Requests wait there until they are, and need no others.
func TestOpenAhead(t *testing.T) {
	a, b := pair(t)
	giver, taker := conn(t, a), conn(t, b)
	queue, ready := conns.NewQueue(&net.UnixAddr{}), make(chan struct{})
	waits, opened := make(chan struct{}, 1), make(chan struct{}, 10*aheadConnections)
	answers := aheadOf(ready, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") }))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(aheadHeader) == "" {
			waits <- struct{}{}
		}
		answers.ServeHTTP(w, r)
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(queue) }()
	defer func() {
		server.Close()
		receive(t, done, "end of the server")
	}()
	inlets := newInlets(func(p passed, f *os.File) error {
		opened <- struct{}{}
		return push(queue, f)
	}, slog.New(slog.DiscardHandler))
	inlets.add(taker)
	defer inlets.close()

	p := newProxy(newOffers(giver), slog.New(slog.DiscardHandler))
	defer p.transport.CloseIdleConnections()
	p.openAhead(t.Context())
	if len(opened) != aheadConnections {
		t.Fatalf("%d connections are opened ahead, want %d", len(opened), aheadConnections)
	}
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	r.Header.Set(aheadHeader, "1") // a client's own
	w, answered := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(answered)
		p.ServeHTTP(w, r)
	}()
	receive(t, waits, "request that waits")
	select {
	case <-answered:
		t.Error("a request is answered before the plugins are the taker's")
	default:
	}
	close(ready)
	receive(t, answered, "answer")
	if w.Body.String() != "answer" || len(opened) != aheadConnections {
		t.Errorf("the answer is %d %q, and %d connections are open", w.Code, w.Body, len(opened))
	}
}

// TestOutletAhead has a taker that lets connections be opened ahead, and then answers no offer. The outlet opens some as soon as it is
// told, and that doesn't hold its end up.
func TestOutletAhead(t *testing.T) {
	a, b := pair(t)
	taker := conn(t, b)
	o := newOutlet(conn(t, a), slog.New(slog.DiscardHandler))
	if err := taker.Send(passed{Answers: true, Ahead: true}); err != nil {
		t.Fatal(err)
	}
	var p passed
	files, err := taker.Receive(&p)
	passing.Close(files)
	if err != nil || !p.Forward || p.Offer == 0 || len(files) != 1 {
		t.Errorf("the taker is offered %+v with %d files, %v; want a connection for requests", p, len(files), err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		o.close()
	}()
	receive(t, closed, "end of the outlet")
}
