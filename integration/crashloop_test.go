package integration

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// say has the crasher do something at a step of its life, wherever it is started from now on; nothing if deed is empty.
func (s *stage) say(step, deed string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.deeds, step), []byte(deed), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// awaitAfter waits for a worker that serves after something else was logged.
func (s *stage) awaitAfter(mark int, match func(line) bool) {
	s.t.Helper()
	after := false
	s.await(mark, func(l line) bool {
		after = after || match(l)
		return after && isMessage("worker serves")(l)
	})
}

func about(text, plugin string) func(line) bool {
	return func(l line) bool { return isMessage(text)(l) && l.text("plugin") == plugin }
}

// check looks at the server once the crashes are over: which image of the crasher serves, none if it is empty, that all others
// do, and what status tells of the one that doesn't.
func (s *stage) check(crashes int, plugin, serves string, why ...string) {
	s.t.Helper()
	before := s.serving()
	others := startVictims(4, s.urls(plugin)...)
	others.await(50)
	others.end(s.t, patience)
	if len(others.errs) > 0 {
		s.t.Errorf("%d requests failed after the crashes were over: %v", len(others.errs), others.errs[0])
	}
	now := s.serving()
	if len(now.Crashes) != crashes || now.Worker.PID != before.Worker.PID {
		s.t.Errorf("there were %d crashes, want %d: %+v", len(now.Crashes), crashes, now.Crashes)
	}
	resp, err := http.Get(s.url + "/" + plugin)
	if err != nil {
		s.t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if serves == "" && resp.StatusCode != http.StatusServiceUnavailable || serves != "" && resp.Header.Get("Sohost-Generation") != serves {
		s.t.Errorf("%s answers %s by %q, want that %q serves: %s", plugin, resp.Status, resp.Header.Get("Sohost-Generation"), serves, body)
	}
	out := cli(s.t, "status", "--control", s.place.control)
	for _, text := range why {
		if !strings.Contains(out, text) {
			s.t.Errorf("status doesn't tell %q", text)
		}
	}
	if s.t.Failed() {
		s.t.Logf("status:\n%s\nlog:\n%s", out, s.log())
	}
}

// urls are those of the plugins that are to serve, which is all but one.
func (s *stage) urls(but string) (urls []string) {
	for _, plugin := range []string{"counter", "hello", "crasher"} {
		if plugin != but {
			urls = append(urls, s.url+"/"+plugin)
		}
	}
	return urls
}

// TestCrashLoops has a plugin end the worker again and again. The others are to be served in the end, and status is to say why
// that one isn't.
func TestCrashLoops(t *testing.T) {
	if *arm64 {
		t.Skip("restarts take seconds under an emulator, and crashes come in other moments than the test means")
	}
	if raceEnabled {
		t.Skip("servers start so slowly under the race detector that the crashes come in other moments than the test means")
	}
	c := newCast(t)
	first := short(t, c.first)
	c.crasher.edit("crasher.go", `const version = "1"`, `const version = "2"`)
	second := c.crasher.build()
	soon := []string{"--probation", "200ms"}

	t.Run("named, nothing to go back to", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		s.say("new", "panic")
		s.ask("/crasher?do=panic")
		s.awaitAfter(0, about("quarantine", "crasher"))
		s.check(2, "crasher", "", "in quarantine for", "panic: told to, in example.com/crasher_g", "--lift "+first)
		s.say("new", "")
		cli(t, "quarantine", "--control", s.place.control, "--lift", first)
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
	})
	t.Run("named, confirmed after another", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		mark := s.mark()
		if err := s.deploy("crasher", second); err != nil {
			t.Fatal(err)
		}
		s.await(mark, isMessage("confirmed"))
		s.say("new-2", "panic")
		s.ask("/crasher?do=panic")
		s.awaitAfter(mark, about("quarantine", "crasher"))
		s.check(2, "crasher", first, "in quarantine for", "panic: told to, in example.com/crasher_g")
	})
	t.Run("without a word while it starts", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		s.say("new", "exit now")
		s.ask("/crasher?do=exit")
		s.awaitAfter(0, about("refused", "crasher"))
		s.check(3, "crasher", "", "left out after 3 crashes in a row", "sohost deploy crasher")
		s.say("new", "")
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
		s.check(3, "crasher", first)
	})
	t.Run("without a word soon after its start", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		s.say("new", "exit later")
		s.ask("/crasher?do=exit")
		s.awaitAfter(0, about("refused", "crasher"))
		s.check(4, "crasher", "", "left out after 4 crashes in a row") // counter had its turn before
	})
	for _, deed := range []string{"exit now", "panic"} {
		t.Run("at each deploy, in dev mode: "+deed, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "crasher.so")
			install(t, c.first, file)
			s := c.start(t, "crasher", file+",mode=dev", soon...)
			s.say("new-2", deed)
			mark := s.mark()
			install(t, second, file)
			s.awaitAfter(mark, about("quarantine", "crasher"))
			s.check(1, "crasher", first, "in quarantine for", "--lift "+short(t, second))
		})
	}
	t.Run("at a deploy", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		s.say("new-2", "exit now")
		if err := s.deploy("crasher", second); err == nil || !strings.Contains(err.Error(), "the worker died over the request") {
			t.Errorf("the deploy ends with %v", err)
		}
		s.serving()
		if err := s.deploy("crasher", second); err == nil || !strings.Contains(err.Error(), "in quarantine since") {
			t.Errorf("the next one ends with %v", err)
		}
		s.check(1, "crasher", first, "exit status 3, while this image was being tried", "--lift "+short(t, second))
	})
	t.Run("new, without a word", func(t *testing.T) {
		dir := t.TempDir()
		s := c.start(t, "crasher", c.first, append(soon, "--plugins", dir)...)
		s.say("new-2", "exit now")
		install(t, second, filepath.Join(dir, "fresh.so"))
		s.awaitAfter(0, about("quarantine", "fresh"))
		s.check(2, "fresh", "", "in quarantine for", "while this image was being tried")
	})
	t.Run("the only one, in probation", func(t *testing.T) {
		p := newPlace(t)
		install(t, c.first, filepath.Join(p.plugins, "crasher.so"))
		s := &stage{p.start(t, "--plugins", p.plugins), t, p, t.TempDir()}
		mark := s.mark()
		s.ask("/crasher?do=panic")
		s.await(mark, isMessage("worker serves"))
		s.get("/crasher")
		s.ask("/crasher?do=panic")
		s.awaitAfter(mark, about("quarantine", "crasher"))
		if q := s.quarantined(); q.Image.Short() != first {
			t.Errorf("in quarantine is %s", q.Image.Short())
		}
		resp, err := http.Get(s.url + "/crasher")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("after the second crash it answers %v, %v", resp, err)
		}
	})
	t.Run("at the restart only", func(t *testing.T) {
		s := c.start(t, "crasher", c.first, soon...)
		s.say("init", "exit now")
		syscall.Kill(s.serving().Worker.PID, syscall.SIGKILL)
		s.await(0, isMessage("worker serves"))
		s.check(1, "crasher", "", "was refused at probe", "exit status 3")
		s.say("init", "")
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
		s.check(1, "crasher", first)
	})
}
