package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
	"github.com/sohost/sohost/internal/server/control"
)

// listened is a server that listens on sockets of all kinds.
type listened struct {
	*daemon
	at map[string]string // addresses by name
}

// startListening starts a server with a listener of each kind and, besides, settings.
func startListening(t *testing.T, p place, settings string) listened {
	t.Helper()
	config := settings + `
plugins = "plugins"
[listener.secure]
address = "127.0.0.1:0"
certificate = "cert.pem"
key = "key.pem"
[listener.h2c]
address = "127.0.0.1:0"
h2c = true
[listener.six]
address = "[::1]:0"
[listener.sock]
address = "unix:http.sock"
mode = "0600"
`
	file := filepath.Join(p.dir, "sohost.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	d := listened{p.start(t, "--config", file), map[string]string{}}
	for _, l := range d.status().Listeners {
		d.at[l.Name] = l.Address
	}
	return d
}

// get asks the plugin live by which protocol a request comes, over a connection of its own.
func (d listened) get(listener string, protocol func(*http.Protocols)) string {
	d.t.Helper()
	network := "tcp"
	if listener == "sock" {
		network = "unix"
	}
	transport := &http.Transport{
		Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.at[listener])
		},
	}
	defer transport.CloseIdleConnections()
	protocol(transport.Protocols)
	scheme := "http"
	if listener == "secure" {
		scheme = "https"
	}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(scheme + "://sohost/live")
	if err != nil {
		d.t.Fatalf("%s: %v", listener, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatalf("%s: %v", listener, err)
	}
	return strings.TrimSpace(string(b))
}

func (d listened) getAll() {
	d.t.Helper()
	for _, test := range []struct {
		listener string
		protocol func(*http.Protocols)
		want     string
	}{
		{"http", h1, "HTTP/1.1 false"},
		{"secure", h1, "HTTP/1.1 true"},
		{"secure", h2, "HTTP/2.0 true"},
		{"h2c", h1, "HTTP/1.1 false"},
		{"h2c", h2c, "HTTP/2.0 false"},
		{"six", h1, "HTTP/1.1 false"},
		{"sock", h1, "HTTP/1.1 false"},
	} {
		if got := d.get(test.listener, test.protocol); got != test.want {
			d.t.Errorf("%s answers %q, want %q", test.listener, got, test.want)
		}
	}
}

func h1(p *http.Protocols)  { p.SetHTTP1(true) }
func h2(p *http.Protocols)  { p.SetHTTP2(true) }
func h2c(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }

// TestListeners serves on sockets of all kinds, before and after a handover and after the death of a worker in the middle of a change
// of the certificate. In the end the server says that it isn't ready before it refuses anything.
func TestListeners(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	pair := certs.Files{Certificate: filepath.Join(p.dir, "cert.pem"), Key: filepath.Join(p.dir, "key.pem")}
	certstest.Write(t, pair, certstest.New(t, time.Hour))
	install(t, newSourceOf(t, "live", filepath.Join("testdata", "live")).build(), filepath.Join(p.plugins, "live.so"))
	d := startListening(t, p, "metrics = '127.0.0.1:0'\nstop_delay = '500ms'\n")
	ready := strings.TrimSuffix(d.await(0, func(l line) bool { return l.text("msg") == "metrics" }).text("url"), "/metrics") + "/readyz"
	if info, err := os.Stat(d.at["sock"]); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the file of the socket: %v, %v", info.Mode(), err)
	}
	d.getAll()
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
		t.Fatal(err)
	}
	d.getAll()

	number := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", d.at["secure"], &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return fmt.Sprint(c.ConnectionState().PeerCertificates[0].SerialNumber)
	}
	before := number()
	second := certstest.New(t, time.Hour)
	certstest.Write(t, pair, second)
	awaitThat(t, "another certificate", func() bool { return number() != before })
	before = number()
	certstest.Write(t, pair, certs.Pair{Certificate: certstest.New(t, time.Hour).Certificate, Key: second.Key})
	d.await(0, func(l line) bool { return l.text("msg") == "the certificate is not taken up; the one before serves on" })
	worker := d.status().Worker.PID
	syscall.Kill(worker, syscall.SIGKILL)
	awaitThat(t, "another worker", func() bool {
		w := d.status().Worker
		return w != nil && w.PID != worker
	})
	if number() != before {
		t.Error("after a death the server has another certificate than the last good one")
	}
	d.getAll()

	d.cmd.Process.Signal(syscall.SIGTERM)
	awaitThat(t, "the server isn't ready", func() bool {
		resp, err := impatient.Get(ready)
		if err != nil {
			t.Fatalf("the server that isn't ready doesn't say so: %v", err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	d.getAll() // for 0.5 s
	d.awaitExit()
	if _, err := os.Stat(d.at["sock"]); !os.IsNotExist(err) {
		t.Errorf("the file of the socket after the end: %v", err)
	}
}

// TestLingerLimit keeps a stream open over more handovers than there may be old workers. The oldest ends then, and with it the stream.
func TestLingerLimit(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	install(t, newSourceOf(t, "stream", filepath.Join("testdata", "stream")).build(), filepath.Join(p.plugins, "stream.so"))
	d := p.start(t, "--plugins", p.plugins, "--shutdown-timeout", "100ms", "--linger-workers", "2")
	var streams []*stream
	for i := range 3 {
		streams = append(streams, newStream(t, d, i == 0)) // the first is like a websocket
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Fatal(err)
		}
		for _, s := range streams[max(0, i-1):] {
			s.say("still")
		}
	}
	if _, err := streams[0].lines.ReadString('\n'); err == nil {
		t.Error("the stream of the oldest of three old workers goes on")
	}
	awaitThat(t, "two old workers are left", func() bool { return len(d.status().Draining) == 2 })
	for _, s := range streams[1:] {
		s.say("on")
		s.end()
	}
	awaitThat(t, "no old worker is left", func() bool { return len(d.status().Draining) == 0 })
	d.terminate()
}
