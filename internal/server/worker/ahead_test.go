package worker

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
	"golang.org/x/sys/unix"
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
	old := httptest.NewRequest("GET", "http://example.com/", nil) // as an older giver forwards it
	old.Header.Set(aheadHeader, "1")
	old.Header.Set(clientHeader, "192.0.2.7:1234")
	byOld := httptest.NewRecorder()
	if answers.ServeHTTP(byOld, old); byOld.Body.String() != "answer" {
		t.Errorf("a client's own header gets %q from an older giver", byOld.Body)
	}
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

// TestAheadFull has a taker with room for one connection. Nothing waits for room for the others.
func TestAheadFull(t *testing.T) {
	a, b := pair(t)
	queue := conns.NewQueue(&net.UnixAddr{})
	server := &http.Server{Handler: aheadOf(nil, nil)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(queue) }()
	defer func() {
		server.Close()
		receive(t, done, "end of the server")
	}()
	inlets := newInlets(func(_ passed, f *os.File) error { return push(queue, f) }, slog.New(slog.DiscardHandler))
	full := false
	inlets.room = func(*os.File, files.Share) bool {
		was := full
		full = true
		return !was
	}
	taker := conn(t, b)
	inlets.add(taker)
	defer inlets.close()
	o := newOutlet(conn(t, a), slog.New(slog.DiscardHandler))
	defer o.close()
	o.step.offers.answered.Store(true)
	begin := time.Now()
	if o.step.openAhead(t.Context()); time.Since(begin) >= aheadLimit {
		t.Error("what finds no room holds the others up")
	}
}

// TestTakeFailsLate has a giver that passes a client's connection although the taker fails, as after the commit. The taker ends.
func TestTakeFailsLate(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	states, theirStates := pair(t)
	connections, theirConnections := pair(t)
	taker := p.start(nil, theirStates, theirConnections)
	theirStates.Close()
	theirConnections.Close()
	giver := conn(t, connections)
	var said passed
	if _, err := giver.Receive(&said); err != nil || !said.Ahead {
		t.Fatalf("the taker says %+v, %v", said, err)
	}
	client := dial(t, p)
	accepted, err := p.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := accepted.(*net.TCPConn).File()
	accepted.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := giver.Send(passed{}, f); err != nil { // it waits for a server that never begins
		t.Fatal(err)
	}
	f.Close()
	socket, err := giver.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for unread := 1; unread > 0; runtime.Gosched() { // until the taker has it
		if unread, err = unix.IoctlGetInt(int(socket.Fd()), unix.SIOCOUTQ); err != nil {
			t.Fatal(err)
		}
	}
	states.Close()
	taker.ends(1)
	client.Close()
}
