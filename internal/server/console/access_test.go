package console

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
)

const secret = "0123456789abcdef"

// serve starts a console whose control API answers "done".
func serve(t *testing.T, token string) (address string) {
	t.Helper()
	return listen(t, newServer(t, token, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }))
}

func newServer(t *testing.T, token string, control http.HandlerFunc) *http.Server {
	t.Helper()
	s, err := NewServer(Options{Address: "127.0.0.1:0", Token: token, Control: control})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t *testing.T, s *http.Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// ask sends a request whose headers are given as "Name: value".
func ask(t *testing.T, address, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestAccess asks as browsers, other sites and clients do.
func TestAccess(t *testing.T) {
	open, locked := serve(t, ""), serve(t, secret)
	_, port, _ := net.SplitHostPort(locked)
	login := ask(t, locked, "POST", "/login", `{"token": "`+secret+`"}`, orderHeader+": 1")
	if len(login.Cookies()) != 1 {
		t.Fatalf("a login answers %s", login.Status)
	}
	cookie := login.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, secret) {
		t.Errorf("the cookie is %v", cookie)
	}
	order := orderHeader + ": 1"
	for _, test := range []struct {
		name, address, method, path string
		want                        int
		headers                     []string
	}{
		{"a question", open, "GET", "/v1/status", 200, nil},
		{"an order", open, "POST", "/v1/deploy", 200, []string{order}},
		{"an order of the page", open, "POST", "/v1/deploy", 200, []string{order, "Sec-Fetch-Site: same-origin"}},
		{"an order without its header", open, "POST", "/v1/deploy", 403, nil},
		{"an order of another site", open, "POST", "/v1/deploy", 403, []string{order, "Sec-Fetch-Site: cross-site"}},
		{"an order of another site's page, from an old browser", open, "POST", "/v1/deploy", 403, []string{order, "Origin: http://example.com"}},
		{"a question by another name", open, "GET", "/v1/status", 421, []string{"Host: example.com:80"}},
		{"an order by another name", open, "POST", "/v1/deploy", 421, []string{order, "Host: example.com"}},
		{"a question by this machine's name", open, "GET", "/v1/status", 200, []string{"Host: localhost:1"}},
		{"a question by IPv6", open, "GET", "/v1/status", 200, []string{"Host: [::1]:1"}},
		{"what the console doesn't pass on", open, "POST", "/v1/test", 405, []string{order}},
		{"a question it doesn't pass on", open, "GET", "/v1/triggers", 404, nil},
		{"a login where there is no token", open, "POST", "/login", 401, []string{order}},

		{"the page", locked, "GET", "/", 200, nil},
		{"a question without a token", locked, "GET", "/v1/status", 401, nil},
		{"a question with a wrong token", locked, "GET", "/v1/status", 401, []string{"Authorization: Bearer " + secret + "0"}},
		{"a question with a wrong cookie", locked, "GET", "/v1/status", 401, []string{"Cookie: sohost_console_" + port + "=1"}},
		{"a question with the token", locked, "GET", "/v1/status", 200, []string{"Authorization: Bearer " + secret}},
		{"a question with the cookie", locked, "GET", "/v1/status", 200, []string{"Cookie: " + cookie.Name + "=" + cookie.Value}},
		{"an order with the cookie", locked, "POST", "/v1/deploy", 200, []string{order, "Cookie: " + cookie.Name + "=" + cookie.Value}},
		{"an order with the cookie alone", locked, "POST", "/v1/deploy", 403, []string{"Cookie: " + cookie.Name + "=" + cookie.Value}},
		{"a question by a name", locked, "GET", "/v1/status", 200, []string{"Authorization: Bearer " + secret, "Host: server.example"}},
		{"a wrong login", locked, "POST", "/login", 401, []string{order}},
	} {
		if got := ask(t, test.address, test.method, test.path, `{"token": "x"}`, test.headers...); got.StatusCode != test.want {
			t.Errorf("%s: %s, want %d", test.name, got.Status, test.want)
		}
	}
	page := ask(t, open, "GET", "/", "")
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the page's policy is %q", policy)
	}
	if again := ask(t, open, "GET", "/", "", "If-None-Match: "+page.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the same page again: %s", again.Status)
	}
}

// pipes is a listener of connections in synctest's world, where no limit is reached because the machine is busy.
type pipes chan net.Conn

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p pipes) Close() error   { close(p); return nil }

func (p pipes) Accept() (net.Conn, error) {
	if c := <-p; c != nil {
		return c, nil
	}
	return nil, net.ErrClosed
}

// TestSlow sends away those who don't send their requests, or take no answers, unless they are admitted: there are only so many
// connections.
func TestSlow(t *testing.T) { synctest.Test(t, slow) }

func slow(t *testing.T) {
	const limit = time.Minute
	s := newServer(t, secret, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(2 * limit):
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	closed := make(chan struct{}, 10)
	if s.ReadTimeout <= 0 || s.WriteTimeout <= 0 {
		t.Errorf("the limits are %v and %v", s.ReadTimeout, s.WriteTimeout)
	}
	s.ReadTimeout, s.WriteTimeout = limit, limit
	s.ConnState = func(_ net.Conn, now http.ConnState) {
		if now == http.StateClosed {
			closed <- struct{}{}
		}
	}
	queue := make(pipes)
	done := make(chan error)
	go func() { done <- s.Serve(queue) }()
	defer func() {
		s.Close()
		<-done
	}()
	connect := func() net.Conn {
		mine, theirs := net.Pipe()
		t.Cleanup(func() { mine.Close() })
		queue <- theirs
		return mine
	}
	for _, text := range []string{
		"GET / HTTP/1.1\r\n",
		"POST /login HTTP/1.1\r\nHost: h\r\n" + orderHeader + ": 1\r\nContent-Length: 10\r\n\r\n",
		"POST /v1/deploy HTTP/1.1\r\nHost: h\r\n" + orderHeader + ": 1\r\nContent-Length: 10\r\n\r\n",
		strings.Repeat("GET /lit/lit-html.js HTTP/1.1\r\nHost: h\r\n\r\n", 10_000),
	} {
		c := connect()
		go io.WriteString(c, text)
		select {
		case <-closed:
		case <-time.After(time.Hour):
			t.Fatalf("a connection stays open for ever after %.60q", text)
		}
	}
	admitted := connect()
	io.WriteString(admitted, "GET /v1/status HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+secret+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(admitted), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "done" {
		t.Errorf("one that is admitted gets %s, %q, %v", resp.Status, text, err)
	}
}

// TestKinds compares the kinds of events that the page listens to with all that there are.
func TestKinds(t *testing.T) {
	text, err := web.ReadFile("web/live.js")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "const asks = {")
	list, _, _ = strings.Cut(list, "};")
	var got []string
	for _, m := range regexp.MustCompile(`(?:([a-z]+)|'([a-z ]+)'): \[`).FindAllStringSubmatch(list, -1) {
		got = append(got, m[1]+m[2])
	}
	want := []string{events.KindMissed}
	for _, kind := range generations.Kinds() {
		want = append(want, string(kind))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it listens to\n%q, want\n%q", got, want)
	}
}

// TestPeer finds out who has connected, and doesn't take a connection that was closed for root's.
func TestPeer(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", network)
		if err != nil {
			t.Logf("without %s: %v", network, err)
			continue
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		uid, err := ownerOf(c.RemoteAddr().String(), c.LocalAddr().String())
		if err != nil || uid != os.Getuid() {
			t.Errorf("%s: connected by user %d, %v", network, uid, err)
		}
		client.Close()
		if uid, err := ownerOf(c.RemoteAddr().String(), c.LocalAddr().String()); err == nil {
			t.Errorf("%s: a connection that was closed is user %d's", network, uid)
		}
	}
}

// TestPeerDecides admits the server's user and root, and nobody else.
func TestPeerDecides(t *testing.T) {
	h := (&access{}).admitted(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, test := range []struct {
		peer any
		want int
	}{
		{peer{uid: os.Getuid()}, 200}, {peer{}, 200}, {peer{uid: os.Getuid() + 1}, 403}, {peer{err: io.EOF}, 403}, {nil, 403},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/status", nil)
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, test.peer)))
		if w.Code != test.want {
			t.Errorf("%+v: %d %s", test.peer, w.Code, w.Body)
		}
	}
}

// TestCheck has addresses that need a token, and some that don't; and files without one.
func TestCheck(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:1": "", "localhost:1": "", "[::1]:1": "", "127.9.9.9:0": "",
		":1": "needs", "0.0.0.0:1": "needs", "[::]:1": "needs", "10.0.0.1:1": "needs", "host:1": "needs", "127.0.0.1": "want an address", "": "want an address",
	} {
		err, with := Check(address, false), Check(address, true)
		switch {
		case want == "" && (err != nil || with != nil), want == "needs" && (err != ErrNeedsToken || with != nil),
			want != "" && want != "needs" && (err == nil || !strings.Contains(err.Error(), want) || with == nil):
			t.Errorf("%s: %v; with a token %v", address, err, with)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if _, err := ReadToken(file); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("no file: %v", err)
	}
	os.WriteFile(file, []byte("short\n"), 0o600)
	if _, err := ReadToken(file); err == nil || !strings.Contains(err.Error(), "5 characters") {
		t.Errorf("a short token: %v", err)
	}
	os.WriteFile(file, []byte(secret+"\n"), 0o600)
	if token, err := ReadToken(file); err != nil || token != secret {
		t.Errorf("%q, %v", token, err)
	}
}
