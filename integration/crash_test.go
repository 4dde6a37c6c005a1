package integration

import (
	"errors"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// TestCrashes has a new version of a plugin end the worker in each way in which that can happen, under load. The other
// plugins notice a short wait, and the plugin goes back. A worker that is killed or stopped from outside is no plugin's fault.
func TestCrashes(t *testing.T) {
	t.Parallel()
	c := newCrashImages(t)
	cFirst := newSourceOf(t, "ccrasher", filepath.Join("testdata", "ccrasher")).build()
	for _, test := range []struct{ plugin, action, reason string }{
		{"crasher", "panic", "panic: told to, in example.com/crasher_g"},
		{"crasher", "maps", "concurrent map access, in example.com/crasher_g"},
		{"crasher", "stack", "stack overflow, in example.com/crasher_g"},
		{"crasher", "memory", "out of memory, in example.com/crasher_g"},
		{"ccrasher", "fault", "SIGSEGV: segmentation violation during cgo execution, in example.com/ccrasher_g"},
		{"crasher", "exit", "exit status 3, while no other image was in a call"},
		{"crasher", "kill", "signal: killed"},
		{"crasher", "hang", "it didn't answer for"},
	} {
		t.Run(test.action, func(t *testing.T) {
			t.Parallel()
			if raceEnabled && !slices.Contains([]string{"panic", "exit", "hang"}, test.action) {
				t.Skip("the server does the same as in those three, which take long enough under the race detector")
			}
			if *arm64 && test.action == "memory" {
				t.Skip("the limit on its memory would be the emulator's, which needs more; natively it runs")
			}
			if *arm64 && (test.action == "kill" || test.action == "hang") {
				t.Skip("what comes from outside is the same on each architecture; natively it runs")
			}
			first := c.first
			if test.plugin == "ccrasher" {
				first = cFirst
			}
			var args []string
			if test.action == "hang" {
				args = []string{"--hang-timeout", "10s"} // a busy machine holds up a worker that is well, too
			}
			s := c.start(t, test.plugin, first, nil, args...)
			second := newCloner(t, first, "example.com/"+test.plugin).clone(t)
			clients := startClients(posting(4, s.url+"/counter", s.url+"/hello")...)
			if err := s.deploy(test.plugin, second); err != nil {
				t.Fatal(err)
			}
			before := s.generations()
			total, _ := s.get("/counter/total")
			for range 2 { // what was counted is in the second of them
				awaitNewFile(t, filepath.Join(s.place.store, "state", "counter.cbor"))
			}

			if test.action == "exit" { // with others in calls at that moment it would be one of several suspects
				clients.await(t, 2)
				clients.end()
			}
			worker, mark := s.serving().Worker.PID, s.mark()
			switch test.action {
			case "kill":
				syscall.Kill(worker, syscall.SIGKILL)
			case "hang":
				syscall.Kill(worker, syscall.SIGSTOP)
			default:
				s.request("/" + test.plugin + "?do=" + test.action)
			}
			died := s.await(mark, isDeath)
			s.await(mark, isMessage("worker serves"))
			if test.action != "exit" {
				clients.await(t, 2)
				clients.end()
			}
			clients.checkCosts(t)

			if now := s.serving(); now.Worker.PID == worker || len(now.Crashes) != 1 || now.Crashes[0].PID != worker {
				t.Errorf("worker %d crashed, %d serves, status has %+v", worker, now.Worker.PID, now.Crashes)
			}
			if test.action == "kill" || test.action == "hang" { // from outside: no image is to blame
				if after := s.generations(); !maps.Equal(after, before) || len(s.serving().Quarantine) > 0 {
					t.Errorf("now %v serve, want %v; in quarantine are %+v", after, before, s.serving().Quarantine)
				}
				return
			}
			q := s.quarantined()
			if q.Image.Short() != short(t, second) || q.Plugin != test.plugin || !strings.Contains(q.Reason, test.reason) {
				t.Errorf("in quarantine is %s of %s: %s", q.Image.Short(), q.Plugin, q.Reason)
			}
			t.Logf("%v; quarantine: %s", died["why"], q.Reason)
			if out := cli(t, "status", "--control", s.place.control); !strings.Contains(out, "in quarantine for") || !strings.Contains(out, q.Reason) {
				t.Errorf("status doesn't show the quarantine:\n%s", out)
			}
			before[test.plugin] = short(t, first)
			if after := s.generations(); !maps.Equal(after, before) {
				t.Errorf("now %v serve, want %v", after, before)
			}
			if body, _ := s.get("/counter/total"); atoi(t, body) < atoi(t, total) || atoi(t, body) > clients.sent() {
				t.Errorf("%s were counted, want what was in the last checkpoint, %s, and no more than %d", body, total, clients.sent())
			}
			checkEvents(t, s, q)

			err := s.deploy(test.plugin, second)
			if err == nil || !strings.Contains(err.Error(), q.Reason) || !strings.Contains(err.Error(), "sohost quarantine --lift "+q.Image.Short()) {
				t.Errorf("deployed again it is refused with %v", err)
			}
			cli(t, "quarantine", "--control", s.place.control, "--lift", q.Image.Short())
			if err := s.deploy(test.plugin, second); err != nil {
				t.Errorf("deployed after its quarantine was lifted: %v", err)
			}
			if _, generation := s.get("/" + test.plugin); generation != short(t, second) {
				t.Errorf("%s serves, want what was deployed", generation)
			}
		})
	}
}

// checkCosts checks what one crash cost the clients: at most the request that each had in flight.
func (c *clients) checkCosts(t *testing.T) {
	t.Helper()
	t.Logf("%d requests, %d cut off; the longest gap is %v", c.sent(), len(c.failures), c.gap.Round(time.Millisecond))
	failed := map[int]int{}
	for _, f := range c.failures {
		failed[f.client]++
		if failed[f.client] > 1 {
			t.Errorf("%d requests of client %d failed, want only the one in flight", failed[f.client], f.client)
		}
		var op *net.OpError
		if errors.As(f.err, &op) && op.Op == "dial" || strings.HasPrefix(f.err.Error(), "503 ") {
			t.Errorf("a request failed that was not in flight: %v", f.err)
		}
	}
}

// checkEvents looks for the crash and the quarantine in the history.
func checkEvents(t *testing.T, s *crashServer, q generations.Quarantine) {
	t.Helper()
	count := map[generations.Kind]int{}
	for _, e := range history(t, s.daemon) {
		if e.Plugin == q.Plugin && e.From == q.Image && e.Detail != "" {
			count[e.Kind]++
		}
	}
	if count[generations.KindCrash] != 1 || count[generations.KindQuarantine] != 1 {
		t.Errorf("of the image the history has %v, want one crash and one quarantine", count)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
