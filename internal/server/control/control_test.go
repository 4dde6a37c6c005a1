package control_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sinks"
)

// newHost returns a host in dir that has one plugin, whose image doesn't exist.
func newHost(t *testing.T, dir string) *sohost.Host {
	t.Helper()
	host, err := sohost.New(t.Context(), sohost.Options{
		Store: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler),
		Plugins: []sohost.Plugin{{Name: "gone", Image: filepath.Join(dir, "gone.so")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return host
}

// tempDir returns a directory whose name is short enough for sockets; t.TempDir's may not be.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen runs a server on a new socket in dir and returns its path.
func listen(t *testing.T, dir string, server *http.Server) string {
	t.Helper()
	socket := filepath.Join(dir, "run", "c.sock")
	listener, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return socket
}

// serve runs a server for a host with one plugin, whose image doesn't exist, and returns its socket.
func serve(t *testing.T) string {
	t.Helper()
	dir := tempDir(t)
	return listen(t, dir, control.NewServer(t.Context(), newHost(t, dir), func() []sinks.Status { return nil }, func() *backlog.Status { return nil }, func() map[string]int64 { return nil }))
}

// raw sends a request as other programs do.
func raw(t *testing.T, socket, method, path, body string) (status int, answer string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequest(method, "http://sohost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// TestAnswers sends what is right and what is wrong. Lists that are empty are lists.
func TestAnswers(t *testing.T) {
	socket := serve(t)
	tests := []struct {
		method, path, body string
		status             int
		answer             string // a part of it
	}{
		{"GET", "/v1/releases", "", 200, "[]"},
		{"POST", "/v1/deploy", `{"images":{}}`, 200, `{"release":0,"moves":[]}`},
		{"POST", "/v1/prune", `{"keep":1}`, 200, `"releases":[]`},
		{"GET", "/v1/status", "", 200, `"name":"gone","mode":"prod"`},
		{"GET", "/v1/status", "", 200, `"routes":[],"generations":[],"refused":{"plugin":"gone"`},
		{"GET", "/v1/history?n=1", "", 200, `"kind":"refuse"`},
		{"GET", "/v1/history", "", 400, "positive number"},
		{"POST", "/v1/deploy", `{"image":{}}`, 400, "unknown field"},
		{"GET", "/v1/status?brief=true", "", 200, `"name":"gone","mode":"prod"`},
		{"GET", "/v1/quarantine", "", 200, "[]"},
		{"GET", "/v1/history?n=0", "", 400, "positive number"},
		{"POST", "/v1/deploy", `{"images":{"gone":"relative.so"}}`, 409, "absolute path"},
		{"POST", "/v1/deploy", `{"images":{"gone":"relative.so"}}`, 409, `"code":"invalid"`},
		{"POST", "/v1/quarantine/lift", `{"image":"00"}`, 409, `"code":"not_quarantined"`},
		{"POST", "/v1/rollback", `{"to":77}`, 409, `"code":"no_release"`},
		{"POST", "/v1/deploy", `{"images":{"gone":""}}`, 409, `"refusal":{"plugin":"gone"`},
		{"POST", "/v1/deploy", `{"images":{"gone":""}}`, 409, `"code":"refused"`},
		{"POST", "/v1/deploy", `{"images":{"nothere":""}}`, 409, `"code":"unknown_plugin"`},
		{"POST", "/v1/deploy", `{"images":{"nothere":""}}`, 409, "unknown plugin"},
		{"POST", "/v1/rollback", `{}`, 409, "no earlier release"},
		{"POST", "/v1/rollback", `{}`, 409, `"code":"nothing_to_roll_back"`},
		{"GET", "/v1/deploy", "", 405, "Method Not Allowed"},
	}
	for _, test := range tests {
		status, answer := raw(t, socket, test.method, test.path, test.body)
		if status != test.status || !strings.Contains(answer, test.answer) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", test.method, test.path, test.body, status, answer, test.status, test.answer)
		}
	}
}

// TestReleases lists releases of which some are broken. An error about these is only for a store that has no other.
func TestReleases(t *testing.T) {
	for _, whole := range []bool{true, false} {
		dir := tempDir(t)
		store, err := generations.OpenStore(filepath.Join(dir, "store"), generations.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := store.Publish(generations.Manifest{Cause: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		socket := listen(t, dir, control.NewServer(t.Context(), newHost(t, dir), func() []sinks.Status { return nil }, func() *backlog.Status { return nil }, func() map[string]int64 { return nil }))
		c := control.NewClient(socket)
		all, err := c.Releases(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("the releases are %+v, %v", all, err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "store", "releases", "*", "*"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%q, %v", files, err)
		}
		for i, file := range files {
			if !whole || i == 0 {
				os.Chmod(file, 0o600)
				if err := os.WriteFile(file, []byte("?"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err = c.Releases(t.Context())
		if (err == nil) != whole || whole && len(all) != 1 {
			t.Errorf("whole ones left: %v; the releases are %+v, %v", whole, all, err)
		}
	}
}

// TestClient gets everything back as the server made it.
func TestClient(t *testing.T) {
	socket := serve(t)
	c := control.NewClient(socket)
	if events, err := c.History(t.Context(), 1); err != nil || len(events) != 1 || events[0].Plugin != "gone" {
		t.Errorf("the history is %+v, %v", events, err)
	}
	if qs, err := c.Quarantines(t.Context()); err != nil || qs == nil || len(qs) > 0 {
		t.Errorf("in quarantine are %v, %v", qs, err)
	}
	if r, err := c.Prune(t.Context(), control.PruneRequest{Keep: 1}); err != nil || len(r.Releases) > 0 {
		t.Errorf("pruned was %+v, %v", r, err)
	}
	if r, err := c.Deploy(t.Context(), control.DeployRequest{}); err != nil || r.Moves == nil {
		t.Errorf("deployed was %+v, %v", r, err)
	}
	if _, err := c.Rollback(t.Context(), control.RollbackRequest{}); !errors.Is(err, sohost.ErrNothingToRollBack) {
		t.Errorf("a rollback to nothing: %v", err)
	}
	if _, err := c.LiftQuarantine(t.Context(), control.LiftRequest{Image: "00"}); !errors.Is(err, generations.ErrNotQuarantined) {
		t.Errorf("a quarantine that isn't: %v", err)
	}
	if _, err := c.Deploy(t.Context(), control.DeployRequest{Images: map[string]string{"nothere": ""}}); !errors.Is(err,
		sohost.ErrUnknownPlugin) {
		t.Errorf("a plugin that isn't: %v", err)
	}
	_, err := control.NewClient(socket).Deploy(t.Context(), control.DeployRequest{Images: map[string]string{"gone": ""}})
	var failure *control.Failure
	if !errors.As(err, &failure) || failure.Refusal == nil || failure.Refusal.Phase != "store" || !failure.Refusal.Image.IsZero() {
		t.Errorf("the error is %v with refusal %+v", err, failure)
	}
	if _, err := control.NewClient(socket + "-not").Status(t.Context()); !errors.Is(err, control.ErrNoServer) {
		t.Errorf("without a server: %v", err)
	}
}

func TestListen(t *testing.T) {
	socket := serve(t)
	if _, err := control.Listen(socket); !errors.Is(err, control.ErrInUse) {
		t.Errorf("a socket that is in use: %v", err)
	}
	for _, path := range []string{socket, filepath.Dir(socket)} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v; others have access", path, info.Mode(), err)
		}
	}

	stale := socket + "-stale"
	dead, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false) // as when its process is killed
	dead.Close()
	l, err := control.Listen(stale)
	if err != nil {
		t.Fatalf("a socket that nobody answers: %v", err)
	}
	l.Close()

	file := socket + "-file"
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(file); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("a file in the way: %v", err)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Error("the file in the way was removed")
	}
	if _, err := control.Listen("/" + strings.Repeat("x", 200)); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long path: %v", err)
	}
}
