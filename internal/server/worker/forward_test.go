package worker

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sohost/sohost/internal/server/conns"
)

// TestForward forwards requests as a giver does. The taker sees them as they came, from the giver's client.
func TestForward(t *testing.T) {
	a, b := pair(t)
	taker := conn(t, b)
	queue := conns.NewQueue(&net.TCPAddr{})
	server := &http.Server{Handler: onBehalf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(clientHeader) != "" {
			t.Error("the plugin sees the header with the client's address")
		}
		from := r.Header.Get("X-Forwarded-For") + " " + r.Header.Get("X-Forwarded-Host")
		if r.Header.Get(tlsHeader) != "" {
			t.Error("the plugin sees the header with the client's TLS")
		}
		if r.TLS != nil {
			from += r.TLS.ServerName + " " + tls.VersionName(r.TLS.Version) + " " + r.TLS.NegotiatedProtocol
		}
		io.WriteString(w, r.RemoteAddr+" "+r.Host+" "+r.URL.RequestURI()+" "+from)
	}), nil)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(queue) }()
	received := make(chan struct{})
	go func() {
		defer close(received)
		for {
			var p passed
			files, err := taker.Receive(&p)
			if err != nil {
				return
			}
			if !p.Forward || len(files) != 1 {
				t.Errorf("the giver passes %+v with %d files", p, len(files))
			}
			if err := push(queue, files[0]); err != nil {
				t.Error(err)
			}
			files[0].Close()
		}
	}()
	giver := conn(t, a)
	p := newProxy(newOffers(giver), slog.New(slog.DiscardHandler))
	for _, secure := range []*tls.ConnectionState{nil, {Version: tls.VersionTLS13, ServerName: "example.com", NegotiatedProtocol: "h2"}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://example.com/path?q=1", nil)
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header.Set("X-Forwarded-For", "192.0.2.9")
		r.Header.Set(placeHeader, "1 /") // no client chooses the place where its request goes on: onBehalf has no host here
		r.Header.Set(tlsHeader, "{}")    // nor says that it talks TLS
		want := "192.0.2.7:1234 example.com /path?q=1 192.0.2.9 "
		if r.TLS = secure; secure != nil {
			want += "example.com TLS 1.3 h2"
		}
		p.ServeHTTP(w, r)
		if got := w.Body.String(); got != want {
			t.Errorf("the taker sees %q, want %q", got, want)
		}
	}
	p.transport.CloseIdleConnections()
	server.Close()
	<-done
	giver.Close()
	<-received
	w := httptest.NewRecorder()
	if p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != http.StatusBadGateway {
		t.Errorf("without a taker the answer is %d", w.Code)
	}
}
