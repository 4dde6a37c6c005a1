package integration

import (
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestServesWhileBooting restarts a worker while the New of one plugin hangs: the others serve all the same, and status says
// what is missing. The server stops as at any other time.
func TestServesWhileBooting(t *testing.T) {
	t.Parallel()
	s := newCrashServer(t)
	install(t, newSourceOf(t, "crasher", filepath.Join("testdata", "crasher")).build(), filepath.Join(s.place.plugins, "crasher.so"))
	install(t, newSource(t, "counter").build(), filepath.Join(s.place.plugins, "later.so")) // which boots after it
	// The callers of the one that hangs wait for all of the boot wait, and so does the end of the server for all of its time.
	s.daemon = s.place.start(t, "--plugins", s.place.plugins, "--open-timeout", "5m", "--boot-wait", "2s", "--shutdown-timeout", "1s")
	awaitThat(t, "both have booted", func() bool {
		status := s.status()
		return status.Worker != nil && status.Booting == nil
	})
	_, generation := s.get("/later")
	s.onStep("new", "hang")
	if err := syscall.Kill(s.status().Worker.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var status control.Status
	awaitThat(t, "one plugin has booted beside the other", func() bool {
		status = s.status()
		return status.Booting != nil && status.Booting.Done == 1
	})
	if _, same := s.get("/later"); same != generation {
		t.Errorf("while another plugin boots %s answers, want %s", same, generation)
	}
	if b := status.Booting; b.Done != 1 || !slices.Equal(b.Pending, []string{"crasher"}) || status.Worker != nil {
		t.Errorf("the status says %+v, of worker %+v", b, status.Worker)
	}
	resp, err := http.Get(s.url + "/crasher")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(text), "it still boots") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the one that boots answers %s %q", resp.Status, text)
	}
	s.terminate()
}
