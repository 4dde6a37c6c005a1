package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/headline"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
	"golang.org/x/sys/unix"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// newPair returns a certificate for 127.0.0.1.
func newPair(t *testing.T) *certs.Pair {
	p := certstest.New(t, time.Hour)
	return &p
}

// serve serves on a copy of a socket, as one of several processes does.
func serve(t *testing.T, on *net.TCPListener, s Settings, l Limits, h http.Handler) *Server {
	t.Helper()
	f, err := on.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	copied, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(copied, s, l, h, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { server.Accept() })
	tasks.Go(func() { server.Inherit() })
	t.Cleanup(func() {
		server.Close()
		tasks.Wait()
	})
	return server
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// client returns a client of the protocol, and what its URLs begin with.
func client(t *testing.T, on *net.TCPListener, protocol string) (*http.Client, string) {
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	scheme := "https"
	switch protocol {
	case "h1":
		transport.Protocols.SetHTTP1(true)
	case "h2":
		transport.Protocols.SetHTTP2(true)
	case "h2c":
		transport.Protocols.SetUnencryptedHTTP2(true)
		scheme = "http"
	case "h1c":
		transport.Protocols.SetHTTP1(true)
		scheme = "http"
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, scheme + "://" + on.Addr().String()
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestInTheClear talks plain HTTP to a socket of TLS.
func TestInTheClear(t *testing.T) {
	on := listen(t)
	serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	c, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(c); !strings.Contains(string(b), "400 Bad Request") {
		t.Errorf("the answer is %q", b)
	}
}

// TestMoveUntouched passes connections on of which nothing was read, those for TLS as well, and no others.
func TestMoveUntouched(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	cl, url := client(t, on, "h2")
	if _, err := cl.Get(url); err != nil { // this one stays
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	passed := make(chan string, 10)
	s.Move(func(f *os.File) error {
		if conn, err := net.FileConn(f); err == nil {
			passed <- conn.RemoteAddr().String()
			conn.Close()
		}
		return nil
	})
	select {
	case who := <-passed:
		if who != c.LocalAddr().String() {
			t.Errorf("passed was %s, want %s", who, c.LocalAddr())
		}
	case <-time.After(patience):
		t.Fatal("nothing is passed")
	}
	if resp, err := cl.Get(url); err != nil || resp.ProtoMajor != 2 {
		t.Errorf("on the connection that stays: %v", err)
	}
}

// TestSetPair changes the certificate of a server that runs, and keeps it when the next one is none.
func TestSetPair(t *testing.T) {
	on := listen(t)
	s := serve(t, on, Settings{Pair: newPair(t)}, Limits{}, http.NotFoundHandler())
	number := func() string {
		c, err := tls.Dial("tcp", on.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := number()
	if err := s.SetPair(*newPair(t)); err != nil || number() == before {
		t.Errorf("another certificate: %v", err)
	}
	before = number()
	broken := *newPair(t)
	broken.Key = newPair(t).Key
	if err := s.SetPair(broken); err == nil || number() != before {
		t.Errorf("a key of another certificate: %v", err)
	}
}

// TestLine says on which sockets responses can get a line without net/http: where a connection's writes are responses of HTTP/1 as
// their clients read them.
func TestLine(t *testing.T) {
	for _, c := range []struct {
		settings Settings
		adds     bool
	}{{Settings{}, true}, {Settings{H2C: true}, false}, {Settings{Pair: newPair(t)}, false}} {
		l := listen(t)
		var adds bool
		serve(t, l, c.settings, Limits{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			adds = headline.Add(r.Context(), "Line: here\r\n")
		}))
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		scheme := "http://"
		if c.settings.Pair != nil {
			scheme = "https://"
		}
		resp, err := client.Get(scheme + l.Addr().String())
		client.CloseIdleConnections()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if has := resp.Header.Get("Line") == "here"; adds != c.adds || has != c.adds {
			t.Errorf("%s, h2c %v: a line is added: %v, and has come: %v; want %v", scheme, c.settings.H2C, adds, has, c.adds)
		}
	}
}

// TestShutStays accepts on a socket that another process has shut because the server stops: it doesn't listen again.
func TestShutStays(t *testing.T) {
	l := listen(t)
	raw, err := l.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(l, Settings{}, Limits{}, http.NotFoundHandler(), log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { s.Close() })
	defer late.Stop()
	if err := s.Accept(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("it accepts until %v", err)
	}
}
