package backend

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestParse(t *testing.T) {
	for text, good := range map[string]bool{
		"http://127.0.0.1:9000": true, "https://h/below": true, "": false, "h:80": false, "ftp://h": false, "http://": false, "http://h/?a=b": false,
		"http://h/#a": false, "http://%zz": false, "http://me:secret@h": false,
	} {
		if _, err := Parse(text); (err == nil) != good || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestNew passes a request on below the path of the URL, with the client's Host and one more address, and answers 502 once nobody is there.
func TestNew(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(r.Host + r.URL.String() + " " + strings.Join(r.Header["X-Forwarded-For"], ";")))
	}))
	to, err := Parse(server.URL + "/below")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	handler := New(to, slog.New(slog.NewTextHandler(&log, nil)))
	ask := func() *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://front/x?a=b", nil)
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		handler.ServeHTTP(w, r)
		return w
	}
	if got := ask().Body.String(); got != "front/below/x?a=b 192.0.2.7, 192.0.2.1" {
		t.Errorf("the server got %s", got)
	}
	server.Close()
	if got := ask(); got.Code != http.StatusBadGateway || !strings.Contains(log.String(), "backend="+server.URL+"/below path=/below/x") {
		t.Errorf("%d, and the log has %s", got.Code, log.String())
	}
}

// TestConnections passes requests on side by side, again and again, over the same connections.
func TestConnections(t *testing.T) {
	const side, rounds = 16, 4
	var made atomic.Int64
	arrived, proceed := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; <-proceed }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	to, err := Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	handler := New(to, slog.New(slog.DiscardHandler))
	for range rounds {
		var clients sync.WaitGroup
		for range side {
			clients.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
		}
		for range side {
			<-arrived
		}
		for range side {
			proceed <- struct{}{}
		}
		clients.Wait()
	}
	if n := made.Load(); n > 2*side { // a connection may be free only a moment after its answer
		t.Errorf("%d connections for %d requests, %d at a time", n, side*rounds, side)
	}
}
