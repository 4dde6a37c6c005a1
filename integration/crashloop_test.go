package integration

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCrashLoops has a plugin end the worker again and again. The others are to be served in the end, and status is to say why
// that one isn't.
func TestCrashLoops(t *testing.T) {
	if *arm64 {
		t.Skip("restarts take seconds under an emulator, and crashes come in other moments than the test means")
	}
	if raceEnabled {
		t.Skip("servers start so slowly under the race detector that the crashes come in other moments than the test means")
	}
	t.Parallel()
	c := newCrashImages(t)
	first := short(t, c.first)
	c.crasher.edit("crasher.go", `const version = "1"`, `const version = "2"`)
	second := c.crasher.build()

	t.Run("named, nothing to go back to", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("new", "panic")
		s.request("/crasher?do=panic")
		s.awaitWorkerAfter(0, isAbout("quarantine", "crasher"))
		s.check(2, "crasher", "", "in quarantine for", "panic: told to, in example.com/crasher_g", "--lift "+first)
		s.onStep("new", "")
		cli(t, "quarantine", "--control", s.place.control, "--lift", first)
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
	})
	t.Run("named, confirmed after another", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, []string{second})
		s.onStep("new-2", "panic")
		s.request("/crasher?do=panic")
		s.awaitWorkerAfter(0, isAbout("quarantine", "crasher"))
		s.check(2, "crasher", first, "in quarantine for", "panic: told to, in example.com/crasher_g")
	})
	t.Run("without a word while it starts", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("new", "exit now")
		s.request("/crasher?do=exit")
		s.awaitWorkerAfter(0, isAbout("quarantine", "crasher"))
		s.check(2, "crasher", "", "in quarantine for", "exit status 3, while no other image was in a call (in New)", "--lift "+first)
		s.onStep("new", "")
		cli(t, "quarantine", "--control", s.place.control, "--lift", first)
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
		s.check(2, "crasher", first)
	})
	t.Run("without a word soon after its start", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("new", "exit later")
		s.request("/crasher?do=exit")
		s.awaitWorkerAfter(0, isAbout("refused", "crasher"))
		s.check(4, "crasher", "", "left out after 4 crashes in a row") // counter had its turn before
	})
	t.Run("without a word soon after a deploy", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("new-2", "exit later")
		mark := s.mark()
		if err := s.deploy("crasher", second); err != nil {
			t.Fatal(err)
		}
		s.awaitWorkerAfter(mark, isAbout("quarantine", "crasher"))
		s.check(2, "crasher", first, "in quarantine for", "--lift "+short(t, second))
	})
	for _, action := range []string{"exit now", "panic"} {
		t.Run("at each deploy, in dev mode: "+action, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "crasher.so")
			install(t, c.first, file)
			s := c.start(t, "crasher", file+",mode=dev", nil)
			s.onStep("new-2", action)
			mark := s.mark()
			install(t, second, file)
			s.awaitWorkerAfter(mark, isAbout("quarantine", "crasher"))
			s.check(1, "crasher", first, "in quarantine for", "--lift "+short(t, second))
		})
	}
	t.Run("at a deploy", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("new-2", "exit now")
		if err := s.deploy("crasher", second); err == nil || !strings.Contains(err.Error(), "the worker died over the request") {
			t.Errorf("the deploy ends with %v", err)
		}
		s.awaitWorkerAfter(0, isDeath)
		if err := s.deploy("crasher", second); err == nil || !strings.Contains(err.Error(), "in quarantine since") {
			t.Errorf("the next one ends with %v", err)
		}
		s.check(1, "crasher", first, "exit status 3, while no other image was in a call (in New)", "--lift "+short(t, second))
	})
	t.Run("new, without a word", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := c.start(t, "crasher", c.first, nil, "--plugins", dir)
		s.onStep("new-2", "exit now")
		install(t, second, filepath.Join(dir, "added.so"))
		s.awaitWorkerAfter(0, isAbout("quarantine", "added"))
		s.check(2, "added", "", "in quarantine for", "while no other image was in a call (in New)")
	})
	t.Run("the only one, in probation", func(t *testing.T) {
		t.Parallel()
		s := newCrashServer(t)
		install(t, c.first, filepath.Join(s.place.plugins, "crasher.so"))
		s.daemon = s.place.start(t, "--plugins", s.place.plugins)
		mark := s.mark()
		s.request("/crasher?do=panic")
		s.awaitWorkerAfter(mark, isDeath)
		s.get("/crasher")
		s.request("/crasher?do=panic")
		s.awaitWorkerAfter(mark, isAbout("quarantine", "crasher"))
		if q := s.quarantined(); q.Image.Short() != first {
			t.Errorf("in quarantine is %s", q.Image.Short())
		}
		resp, err := impatient.Get(s.url + "/crasher")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("after the second crash it answers %v, %v", resp, err)
		}
	})
	t.Run("at the restart only", func(t *testing.T) {
		t.Parallel()
		s := c.start(t, "crasher", c.first, nil)
		s.onStep("init", "exit now")
		syscall.Kill(s.serving().Worker.PID, syscall.SIGKILL)
		s.awaitWorkerAfter(0, isDeath)
		s.check(1, "crasher", "", "was refused at probe", "exit status 3")
		s.onStep("init", "")
		if err := s.deploy("crasher", c.first); err != nil {
			t.Error(err)
		}
		s.check(1, "crasher", first)
	})
}
