package control

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// quick is a pulse with which a test needn't wait.
func quick() pulse {
	return pulse{first: time.Millisecond, again: time.Millisecond, soon: time.Millisecond, limit: 50 * time.Millisecond, stream: 50 * time.Millisecond}
}

// impatient returns a client with a quick pulse of what answers on a new socket, and what it is told.
func impatient(t *testing.T, serve func(net.Listener)) (c *Client, told *[]string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "patience-") // t.TempDir may be too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "c.sock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(l)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	c, told = NewClient(l.Addr().String()), new([]string)
	c.pulse = quick()
	c.Patience.Tell = func(what string) { *told = append(*told, what) }
	return c, told
}

// accept takes connections, and says nothing on them.
func accept(l net.Listener) {
	var all []net.Conn
	for c, err := l.Accept(); err == nil; c, err = l.Accept() {
		all = append(all, c)
	}
	for _, c := range all {
		c.Close()
	}
}

// TestSilentServer asks and orders where connections are taken and nothing is answered.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	c, told := impatient(t, accept)
	if conn, err := c.dial(t.Context(), "", ""); err != nil { // who is there is known from now on, however long the next one takes
		t.Fatal(err)
	} else {
		conn.Close()
	}
	mute := fmt.Sprintf("the server, pid %d, doesn't answer", os.Getpid())
	_, err := c.Status(t.Context())
	if want := "no answer for 50ms: " + mute; !errors.Is(err, ErrSilent) || err.Error() != want {
		t.Errorf("a question: %v, want %s", err, want)
	}
	if want := []string{"waiting for the server: " + mute, ""}; !slices.Equal(*told, want) {
		t.Errorf("told: %q, want %q", *told, want)
	}
	c.Patience.Doing, *told = "loading images", nil
	_, err = c.Deploy(t.Context(), DeployRequest{})
	if want := "It may still carry the order out"; !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), want) {
		t.Errorf("an order: %v, want %s", err, want)
	}
	if want := []string{"loading images: " + mute, ""}; !slices.Equal(*told, want) {
		t.Errorf("told: %q, want %q", *told, want)
	}
	c.Patience.Answer, c.pulse.limit = 20*time.Millisecond, time.Hour
	if _, err := c.Deploy(t.Context(), DeployRequest{}); !errors.Is(err, ErrSilent) || !strings.HasPrefix(err.Error(), "no answer within 20ms: ") {
		t.Errorf("with a limit: %v", err)
	}
	c.pulse.first = time.Hour // the limit is reached before anybody has looked whether the server lives
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrSilent) || !strings.HasPrefix(err.Error(), "no answer within 20ms: "+mute) {
		t.Errorf("with a limit that is shorter than a moment: %v", err)
	}
}

// TestFullQueue asks a server that doesn't even take connections, so that there is no room for more of them.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	c, _ := impatient(t, func(net.Listener) {})
	os.Remove(c.path)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: c.path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for conn, err := net.Dial("unix", c.path); err == nil; conn, err = net.Dial("unix", c.path) {
		defer conn.Close()
	}
	_, err = c.Status(t.Context())
	if want := "no answer for 50ms: the server takes no connections on " + c.path; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestPatience has servers that live and take their time: with an order that needs many times as long as they may be silent, with one
// that says why, and with one of a version that doesn't know whether it lives.
func TestPatience(t *testing.T) {
	t.Parallel()
	for _, life := range []string{`{"pid": 1}`, `{"pid": 1, "why": "no worker serves yet"}`, ""} {
		var looks atomic.Int64
		enough := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("POST /v1/deploy", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-enough:
				writeJSON(w, http.StatusOK, struct{}{})
			case <-r.Context().Done():
			}
		})
		mux.HandleFunc("GET /v1/alive", func(w http.ResponseWriter, r *http.Request) {
			if looks.Add(1) == 20 {
				close(enough)
			}
			if life == "" {
				http.NotFound(w, r)
				return
			}
			w.Write([]byte(life))
		})
		server := &http.Server{Handler: mux}
		c, told := impatient(t, func(l net.Listener) { server.Serve(l) })
		c.pulse.soon, c.pulse.limit = time.Hour, time.Hour
		if _, err := c.Deploy(t.Context(), DeployRequest{}); err != nil {
			t.Errorf("%s: %v", life, err)
		}
		want := []string{"waiting for the server", ""}
		switch {
		case strings.Contains(life, "why"):
			want[0] += ": no worker serves yet"
		case life == "":
			want = nil
		}
		if !slices.Equal(*told, want) {
			t.Errorf("%s: told %q, want %q", life, *told, want)
		}
		server.Close()
	}
}

// TestSilentStream reads events of a server that begins to answer, and then says nothing more.
func TestSilentStream(t *testing.T) {
	t.Parallel()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})}
	c, _ := impatient(t, func(l net.Listener) { server.Serve(l) })
	defer server.Close()
	err := c.Events(t.Context(), EventsRequest{}, func(Message) error { return nil })
	if want := "no answer for 50ms: the server, pid "; !errors.Is(err, ErrSilent) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestSlowReader takes its time with an event, as a pager does. It isn't the server that is silent then.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/events" {
			writeJSON(w, http.StatusOK, Life{})
			return
		}
		fmt.Fprint(w, "id: a-1\nevent: missed\ndata: {\"missed\": 1}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})}
	c, _ := impatient(t, func(l net.Listener) { server.Serve(l) })
	c.pulse.limit, c.pulse.stream = time.Hour, time.Second // a busy machine isn't silent
	defer server.Close()
	enough := errors.New("enough")
	err := c.Events(t.Context(), EventsRequest{}, func(Message) error {
		select {
		case <-gone:
			t.Error("the client has given the server up")
		case <-time.After(2 * c.pulse.stream):
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
