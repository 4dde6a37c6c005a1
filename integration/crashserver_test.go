package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// crashImages are what the servers of the tests of crashes have.
type crashImages struct {
	crasher        *source
	first          string // image of the crasher
	hello, counter string // images of plugins that don't crash
}

func newCrashImages(t *testing.T) *crashImages {
	src := newSourceOf(t, "crasher", filepath.Join("testdata", "crasher"))
	return &crashImages{src, src.build(), newSource(t, "hello").build(), newSource(t, "counter").build()}
}

// crashServer is a server with a plugin that crashes when it is told to, beside hello and counter.
type crashServer struct {
	*daemon
	t       *testing.T
	place   place
	actions string // a folder with what the crasher is to do at which step, see onStep
}

// start starts a server whose first release is confirmed. So are those of the images that follow each other in it. Its later
// releases stay in probation for as long as the test lasts.
func (c *crashImages) start(t *testing.T, plugin, image string, next []string, args ...string) *crashServer {
	t.Helper()
	s := newCrashServer(t)
	args = append([]string{
		"--plugin", plugin + "=" + image, "--plugin", "hello=" + c.hello, "--plugin", "counter=" + c.counter, "--checkpoints", "20ms",
	}, args...)
	confirmed := stores.get(t, fmt.Sprint(plugin, short(t, strings.TrimSuffix(image, ",mode=dev")), next), "store", func(store string) {
		first := newCrashServer(t)
		first.daemon = first.place.start(t, append(args, "--probation", "1ms")...)
		first.await(0, isMessage("confirmed"))
		for _, image := range next {
			mark := first.mark()
			if err := first.deploy(plugin, image); err != nil {
				t.Fatal(err)
			}
			first.await(mark, isMessage("confirmed"))
		}
		first.terminate()
		if err := os.Rename(first.place.store, store); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.CopyFS(s.place.store, os.DirFS(confirmed)); err != nil {
		t.Fatal(err)
	}
	s.daemon = s.place.start(t, append(args, "--probation", "1h")...)
	return s
}

// newCrashServer makes a place for a server.
func newCrashServer(t *testing.T) *crashServer {
	p, actions := newPlace(t), t.TempDir()
	p.env = []string{"CRASHER=" + actions}
	return &crashServer{t: t, place: p, actions: actions}
}

func isMessage(text string) func(line) bool {
	return func(l line) bool { return l.text("msg") == text }
}

// isAbout matches a message about a plugin.
func isAbout(text, plugin string) func(line) bool {
	return func(l line) bool { return isMessage(text)(l) && l.text("plugin") == plugin }
}

func isDeath(l line) bool { return strings.HasPrefix(l.text("msg"), "worker died") }

// onStep has the crasher do something at a step of its life, wherever it is started from now on; nothing if action is empty.
func (s *crashServer) onStep(step, action string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.actions, step), []byte(action), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// deploy makes an image current.
func (s *crashServer) deploy(plugin, image string) error {
	_, err := s.client.Deploy(patient(s.t), control.DeployRequest{Images: map[string]string{plugin: image}})
	return err
}

// generations returns the images that serve, by plugin.
func (s *crashServer) generations() map[string]string {
	s.t.Helper()
	serve := map[string]string{}
	for _, p := range s.serving().Plugins {
		serve[p.Name] = p.Generation.Short()
	}
	return serve
}

// serving returns the status once a worker serves.
func (s *crashServer) serving() (status control.Status) {
	s.t.Helper()
	awaitThat(s.t, "a worker serves", func() bool { status = s.status(); return status.Worker != nil })
	return status
}

// awaitWorkerAfter waits for a worker that serves after something else was logged.
func (s *crashServer) awaitWorkerAfter(mark int, match func(line) bool) {
	s.t.Helper()
	after := false
	s.await(mark, func(l line) bool {
		after = after || match(l)
		return after && isMessage("worker serves")(l)
	})
}

// request sends a request that may end the worker, and ignores the answer.
func (s *crashServer) request(path string) {
	c := &http.Client{Transport: new(wire)}
	defer c.CloseIdleConnections()
	send(c, get(s.url+path))
}

// quarantined returns the record of the only image in quarantine.
func (s *crashServer) quarantined() generations.Quarantine {
	s.t.Helper()
	qs := s.serving().Quarantine
	if len(qs) != 1 {
		s.t.Fatalf("%d images are in quarantine, want one; the log:\n%s", len(qs), s.log())
	}
	return qs[0]
}

// check looks at the server once the crashes are over: which image of the crasher serves, none if it is empty, that all others
// do, and what status says of the one that doesn't.
func (s *crashServer) check(crashes int, plugin, serves string, why ...string) {
	s.t.Helper()
	before := s.serving()
	others := startClients(posting(4, s.urls(plugin)...)...)
	others.await(s.t, 10)
	others.end()
	if len(others.failures) > 0 {
		s.t.Errorf("%d requests failed after the crashes were over: %v", len(others.failures), others.failures[0].err)
	}
	now := s.serving()
	if len(now.Crashes) != crashes || now.Worker.PID != before.Worker.PID {
		s.t.Errorf("there were %d crashes, want %d: %+v", len(now.Crashes), crashes, now.Crashes)
	}
	resp, err := impatient.Get(s.url + "/" + plugin)
	if err != nil {
		s.t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if serves == "" && resp.StatusCode != http.StatusServiceUnavailable || serves != "" && resp.Header.Get("Sohost-Generation") != serves {
		s.t.Errorf("%s answers %s by %q, want that %q serves: %s", plugin, resp.Status, resp.Header.Get("Sohost-Generation"), serves, body)
	}
	var out string
	for _, text := range why { // a file is looked at again a moment after the start
		awaitThat(s.t, fmt.Sprintf("status says %q", text), func() bool {
			out = cli(s.t, "status", "--control", s.place.control)
			return strings.Contains(out, text)
		})
	}
	if s.t.Failed() {
		s.t.Logf("status:\n%s\nlog:\n%s", out, s.log())
	}
}

// urls returns the URLs of all plugins but one.
func (s *crashServer) urls(but string) (urls []string) {
	for _, plugin := range []string{"counter", "hello", "crasher"} {
		if plugin != but {
			urls = append(urls, s.url+"/"+plugin)
		}
	}
	return urls
}
