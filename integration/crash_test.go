package integration

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// victims are clients that count what a crash costs them: each has one connection, pauses after each answer, and begins anew
// when it is cut off. Its requests are such that net/http never repeats them by itself.
type victims struct {
	stop     context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex    // guards what follows
	answered []int         // requests by client
	failed   []int         // likewise
	gap      time.Duration // the longest between two answers of one client
	errs     []error
	woken    *sync.Cond // for each answer
}

func startVictims(clients int, urls ...string) *victims {
	ctx, stop := context.WithCancel(context.Background())
	v := &victims{stop: stop, answered: make([]int, clients), failed: make([]int, clients)}
	v.woken = sync.NewCond(&v.mu)
	for i := range clients {
		v.done.Go(func() {
			client := &http.Client{Transport: new(wire)}
			defer client.CloseIdleConnections()
			for last := time.Now(); ctx.Err() == nil; time.Sleep(steady) {
				_, _, err := send(client, post(urls[i%len(urls)], ""))
				v.mu.Lock()
				if err != nil {
					v.failed[i]++
					v.errs = append(v.errs, err)
				} else {
					v.answered[i]++
					v.woken.Broadcast()
					v.gap = max(v.gap, time.Since(last))
					last = time.Now()
				}
				v.mu.Unlock()
			}
		})
	}
	return v
}

// await waits until every client has had a number of answers more.
func (v *victims) await(more int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, before := range slices.Clone(v.answered) {
		for v.answered[i] < before+more {
			v.woken.Wait()
		}
	}
}

// sent is how many requests there were.
func (v *victims) sent() (n int) {
	for _, of := range v.answered {
		n += of
	}
	return n + len(v.errs)
}

// end stops the clients and checks what they suffered in one crash.
func (v *victims) end(t *testing.T, limit time.Duration) {
	t.Helper()
	v.stop()
	v.done.Wait()
	t.Logf("%d requests, %d cut off; the longest gap is %v", v.sent(), len(v.errs), v.gap.Round(time.Millisecond))
	if v.gap > limit && !raceEnabled && !*arm64 { // which make everything slow
		t.Errorf("a client had no answer for %v, want service again within %v", v.gap, limit)
	}
	for _, n := range v.failed {
		if n > 1 {
			t.Errorf("%d requests of one client failed, want that in flight alone", n)
		}
	}
	for _, err := range v.errs {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" || strings.HasPrefix(err.Error(), "503 ") {
			t.Errorf("a request failed that was not in flight: %v", err)
		}
	}
}

// cast are the plugins of the tests of crashes.
type cast struct {
	crasher        *source
	first          string // image of the crasher
	hello, counter string // images of plugins that stand by
}

func newCast(t *testing.T) *cast {
	src := newSourceOf(t, "crasher", filepath.Join("testdata", "crasher"))
	return &cast{src, src.build(), newSource(t, "hello").build(), newSource(t, "counter").build()}
}

// stage is a server that has the cast's plugins.
type stage struct {
	*daemon
	t     *testing.T
	place place
	deeds string // the directory that tells the crasher what to do
}

// start starts a server with the plugin that will crash, and waits until the first release is confirmed.
func (c *cast) start(t *testing.T, plugin, image string, args ...string) *stage {
	t.Helper()
	p, deeds := newPlace(t), t.TempDir()
	t.Setenv("CRASHER", deeds)
	d := p.start(t, append([]string{
		"--plugin", plugin + "=" + image, "--plugin", "hello=" + c.hello, "--plugin", "counter=" + c.counter,
		"--probation", "1s", "--checkpoints", "20ms",
	}, args...)...)
	d.await(0, isMessage("confirmed"))
	return &stage{d, t, p, deeds}
}

func isMessage(text string) func(line) bool {
	return func(l line) bool { return l.text("msg") == text }
}

// deploy makes an image current.
func (s *stage) deploy(plugin, image string) error {
	_, err := s.client.Deploy(s.t.Context(), control.DeployRequest{Images: map[string]string{plugin: image}})
	return err
}

// generations are the images that serve, by plugin.
func (s *stage) generations() map[string]string {
	s.t.Helper()
	serve := map[string]string{}
	for _, p := range s.serving().Plugins {
		serve[p.Name] = p.Generation.Short()
	}
	return serve
}

// serving is the status once a worker serves.
func (s *stage) serving() control.Status {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if status := s.status(); status.Worker != nil {
			return status
		}
	}
	s.t.Fatalf("no worker serves within %v; the log:\n%s", patience, s.log())
	return control.Status{}
}

// ask sends a request that may end the worker, and doesn't care for the answer.
func (s *stage) ask(path string) {
	send(&http.Client{Transport: new(wire)}, get(s.url+path))
}

// quarantined is the record of the only image in quarantine.
func (s *stage) quarantined() generations.Quarantine {
	s.t.Helper()
	qs := s.serving().Quarantine
	if len(qs) != 1 {
		s.t.Fatalf("%d images are in quarantine, want one; the log:\n%s", len(qs), s.log())
	}
	return qs[0]
}

// TestCrashes has a new version of a plugin end the worker in each way in which that can happen, under load. The other
// plugins notice a short wait, and the plugin goes back.
func TestCrashes(t *testing.T) {
	c := newCast(t)
	cFirst := newSourceOf(t, "ccrasher", filepath.Join("testdata", "ccrasher")).build()
	for _, test := range []struct{ plugin, deed, reason string }{
		{"crasher", "panic", "panic: told to, in example.com/crasher_g"},
		{"crasher", "maps", "concurrent map access, in example.com/crasher_g"},
		{"crasher", "stack", "stack overflow, in example.com/crasher_g"},
		{"crasher", "memory", "out of memory, in example.com/crasher_g"},
		{"ccrasher", "fault", "SIGSEGV: segmentation violation during cgo execution, in example.com/ccrasher_g"},
		{"crasher", "exit", "exit status 3"},
		{"crasher", "kill", "signal: killed"},
		{"crasher", "hang", "it didn't answer for"},
	} {
		t.Run(test.deed, func(t *testing.T) {
			if raceEnabled && !slices.Contains([]string{"panic", "exit", "hang"}, test.deed) {
				t.Skip("the server does the same as in those three, which take long enough under the race detector")
			}
			if *arm64 && test.deed == "memory" {
				t.Skip("the limit on its memory would be the emulator's, which needs more; natively it runs")
			}
			first, limit := c.first, time.Second
			if test.plugin == "ccrasher" {
				first = cFirst
			}
			s := c.start(t, test.plugin, first, "--hang-timeout", "1s")
			second := newCloner(t, first, "example.com/"+test.plugin).clone(t)
			clients := startVictims(4, s.url+"/counter", s.url+"/hello")
			if err := s.deploy(test.plugin, second); err != nil {
				t.Fatal(err)
			}
			before := s.generations()
			total, _ := s.get("/counter/total")
			for range 2 { // what was counted is in the second of them
				awaitNewFile(t, filepath.Join(s.place.store, "state", "counter.cbor"))
			}

			worker, mark := s.serving().Worker.PID, s.mark()
			switch test.deed {
			case "kill":
				syscall.Kill(worker, syscall.SIGKILL)
			case "hang":
				syscall.Kill(worker, syscall.SIGSTOP)
				limit = 4 * time.Second
			default:
				s.ask("/" + test.plugin + "?do=" + test.deed)
			}
			died := s.await(mark, func(l line) bool { return strings.HasPrefix(l.text("msg"), "worker died") })
			s.await(mark, isMessage("worker serves"))
			clients.await(2)
			clients.end(t, limit)

			if now := s.serving(); now.Worker.PID == worker || len(now.Crashes) != 1 || now.Crashes[0].PID != worker {
				t.Errorf("worker %d crashed, %d serves, status tells of %+v", worker, now.Worker.PID, now.Crashes)
			}
			q := s.quarantined()
			if q.Image.Short() != short(t, second) || q.Plugin != test.plugin || !strings.Contains(q.Reason, test.reason) {
				t.Errorf("in quarantine is %s of %s: %s", q.Image.Short(), q.Plugin, q.Reason)
			}
			t.Logf("%v; quarantine: %s", died["why"], q.Reason)
			if out := cli(t, "status", "--control", s.place.control); !strings.Contains(out, "in quarantine for") || !strings.Contains(out, q.Reason) {
				t.Errorf("status doesn't tell of the quarantine:\n%s", out)
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

// checkEvents looks for the crash and the quarantine in the history.
func checkEvents(t *testing.T, s *stage, q generations.Quarantine) {
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
