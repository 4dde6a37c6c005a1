package control

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestAuthorize lets the server's own user and root pass, and nobody else.
func TestAuthorize(t *testing.T) {
	passes := authorize(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, test := range []struct {
		peer any
		want int
	}{
		{os.Getuid(), http.StatusTeapot},
		{0, http.StatusTeapot},
		{os.Getuid() + 1, http.StatusForbidden},
		{-1, http.StatusForbidden},
		{nil, http.StatusForbidden},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		passes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, test.peer)))
		var f Failure
		if json.NewDecoder(w.Body).Decode(&f); w.Code != test.want || (f.Code == CodeForbidden) != (test.want == http.StatusForbidden) {
			t.Errorf("user %v gets %d %+v, want %d", test.peer, w.Code, f, test.want)
		}
	}
	if w := httptest.NewRecorder(); true {
		if passes.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != http.StatusForbidden {
			t.Errorf("a request of a connection that nobody knows gets %d", w.Code)
		}
	}
}

// TestPeer finds out who is at the other end, and of what is no socket that nobody is.
func TestPeer(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	tcp := httptest.NewServer(nil)
	defer tcp.Close()
	other, err := net.Dial("tcp", tcp.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := rememberPeer(t.Context(), client).Value(peerKey{}); got != os.Getuid() {
		t.Errorf("the peer is user %v, want %d", got, os.Getuid())
	}
	for _, conn := range []net.Conn{a, other} {
		if uid := rememberPeer(t.Context(), conn).Value(peerKey{}).(int); uid == 0 || uid == os.Getuid() {
			t.Errorf("the peer of a %T is user %d, whom nobody knows", conn, uid)
		}
	}
}
