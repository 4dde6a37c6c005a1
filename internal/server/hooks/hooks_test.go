package hooks

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
)

func newRunner(t *testing.T) (*Runner, *events.Log) {
	t.Helper()
	log := events.NewLog(time.Now())
	r := NewRunner(Options{
		Events: log, Log: slog.New(slog.DiscardHandler), Start: (*exec.Cmd).Start, Ended: func(int) {}, Pause: time.Millisecond, Grace: time.Minute,
	})
	t.Cleanup(func() { r.Close(0) })
	return r, log
}

// one returns hooks of which there is one, with a shell command.
func one(command string, args ...string) map[string]Hook {
	return map[string]Hook{"one": {On: []string{"crash"}, Command: append([]string{"sh", "-c", command}, args...)}}
}

// await waits until the status of the only hook is as ok wants it.
func (r *Runner) await(t *testing.T, ok func(Status) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s := r.Status()
		if len(s) == 1 && ok(s[0]) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %+v", s)
		}
	}
}

var crash = generations.Event{Kind: generations.KindCrash, Plugin: "a", Detail: "it's dead"}

// TestCommand runs a command for each event that it is for, which gets it on standard input and in its environment.
func TestCommand(t *testing.T) {
	r, log := newRunner(t)
	log.Add(0, crash) // before there is a hook
	out := filepath.Join(t.TempDir(), "out")
	hook := Hook{
		On: []string{"crash"}, Plugins: []string{"a"},
		Command: []string{"sh", "-c", `cat >>"$0"; echo "$SOHOST_EVENT $SOHOST_PLUGIN" >>"$0"`, out},
	}
	r.Set(map[string]Hook{"one": hook}, nil)
	log.Add(7, generations.Event{Kind: generations.KindCrash, Plugin: "b"}, generations.Event{Kind: generations.KindDeploy, Plugin: "a"}, crash)
	r.await(t, func(s Status) bool { return s.Delivered == 1 && s.Failed == 0 })
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var e events.Event
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil || e.Seq != 4 || e.Detail != crash.Detail || lines[1] != "crash a" {
		t.Errorf("%q: %v", text, err)
	}
	r.Set(map[string]Hook{"one": hook}, nil) // it goes on
	before := log.Last()
	log.Add(0, crash)
	if at := r.Close(time.Minute)["one"]; at != before+1 {
		t.Errorf("it was told up to %d, want %d", at, before+1)
	}
	if again, _ := os.ReadFile(out); strings.Count(string(again), "crash a\n") != 2 || len(r.Status()) != 0 {
		t.Errorf("Close didn't wait for the last event: %q", again)
	}
	r.Set(map[string]Hook{"one": hook}, map[string]uint64{"one": before}) // no program has taken over
	r.await(t, func(s Status) bool { return s.Delivered == 3 })
	r.Close(time.Minute)
	after, _ := newRunner(t)
	after.Remember(r.Counted())
	after.Set(map[string]Hook{"one": hook}, nil) // in the next program
	if s := after.Status(); len(s) != 1 || s[0].Name != "one" || s[0].Delivered != 3 {
		t.Errorf("in the next program the status is %+v", s)
	}
}

// TestCommandFails tells of commands that fail, hang and don't exist; what a command has started is killed with it.
func TestCommandFails(t *testing.T) {
	for _, test := range []struct {
		command string
		timeout time.Duration
		want    string
	}{
		{"echo no mail today >&2; exit 3", time.Hour, "exit status 3: no mail today"},
		{"sleep 1000 & wait", 50 * time.Millisecond, "it takes longer than 50ms (timeout allows more)"},
	} {
		r, log := newRunner(t)
		r.Set(map[string]Hook{"one": {
			On: []string{"crash"}, Command: []string{"sh", "-c", test.command}, Attempts: 2, Timeout: test.timeout,
		}}, nil)
		log.Add(0, crash)
		r.await(t, func(s Status) bool { return s.Failed == 1 && s.Error == test.want && !s.ErrorTime.IsZero() })
	}
	r, log := newRunner(t)
	r.Set(map[string]Hook{"one": {On: []string{"crash"}, Command: []string{"/does/not/exist"}}}, nil)
	log.Add(0, crash)
	r.await(t, func(s Status) bool { return s.Failed == 1 && strings.Contains(s.Error, "no such file") })
}

// TestCommandLeaves takes a command that exits with 0 for told, once, whatever it has left behind with its output open.
func TestCommandLeaves(t *testing.T) {
	r, log := newRunner(t)
	out := filepath.Join(t.TempDir(), "out")
	r.Set(one(`sleep 1000 & echo "$!" >>"$0"`, out), nil)
	log.Add(0, crash)
	r.await(t, func(s Status) bool { return s.Delivered+s.Failed == 1 })
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(text)) {
		exec.Command("kill", pid).Run()
	}
	if s := r.Status()[0]; s.Delivered != 1 || s.Error != "" || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%+v, after it was run %d times", s, strings.Count(string(text), "\n"))
	}
}

// TestClose kills a command that runs, and returns once it is gone: another program takes this one's place then, which tells of the event
// again. It doesn't wait for one that can't be killed.
func TestClose(t *testing.T) {
	started := make(chan int, 1)
	r, log := newRunner(t)
	start := func(cmd *exec.Cmd) error {
		err := cmd.Start()
		started <- cmd.Process.Pid
		return err
	}
	r.o.Start = start
	r.Set(one("exec sleep 1000"), nil)
	at := log.Last()
	log.Add(0, crash)
	pid := <-started
	told := r.Close(0)
	if err := syscall.Kill(-pid, 0); err == nil {
		t.Error("the command lives on")
	}
	if told["one"] != at {
		t.Errorf("it was told up to %d, want %d", told["one"], at)
	}

	r.o.Grace, r.o.Start = 0, func(cmd *exec.Cmd) error {
		cmd.Cancel, cmd.WaitDelay = func() error { return nil }, 0
		return start(cmd)
	}
	r.Set(one("exec sleep 1000"), told) // it tells of the event again
	pid = <-started
	r.Close(0)
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Errorf("Close has waited for a command that can't be killed: %v", err)
	}
	r.tasks.Wait()
}

// TestChanged goes on with other settings where the hook was, after what runs.
func TestChanged(t *testing.T) {
	r, log := newRunner(t)
	dir := t.TempDir()
	pipe, out := filepath.Join(dir, "pipe"), filepath.Join(dir, "out")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Set(one(`echo "first" >"$0"; exec sleep 1000`, pipe), nil)
	log.Add(0, crash)
	if text, err := os.ReadFile(pipe); err != nil || string(text) != "first\n" {
		t.Fatalf("%q, %v", text, err)
	}
	log.Add(0, crash)
	r.Set(one(`echo "second" >>"$0"`, out), nil)
	r.await(t, func(s Status) bool { return s.Delivered == 2 })
	if text, err := os.ReadFile(out); err != nil || string(text) != "second\nsecond\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestURLIsSecret fails to reach URLs, and finds nothing of them in what the status says.
func TestURLIsSecret(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved/secret":
			http.Redirect(w, r, "/ok", http.StatusMovedPermanently)
		case "/cut/secret":
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{
		"/moved/secret": "it answers 301 Moved Permanently, and redirects are not followed: set url to where it leads; it isn't tried again",
		"/cut/secret":   "EOF",
	} {
		r, log := newRunner(t)
		r.Set(map[string]Hook{"one": {On: []string{"crash"}, URL: s.URL + path, Attempts: 1}}, nil)
		log.Add(0, crash)
		r.await(t, func(s Status) bool { return s.Failed+s.Delivered == 1 })
		if got := r.Status()[0]; got.Error != want {
			t.Errorf("%s: %+v, want %s", path, got, want)
		}
	}
}

// TestURL posts events to a server that fails at first, and to one that doesn't want them.
func TestURL(t *testing.T) {
	var asked atomic.Int64
	bodies := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch n := asked.Add(1); {
		case n < 3:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case n == 3:
			bodies <- r.Method + " " + r.Header.Get("Content-Type") + " " + string(body)
		default:
			http.Error(w, "who are you", http.StatusForbidden)
		}
	}))
	defer s.Close()
	r, log := newRunner(t)
	r.Set(map[string]Hook{"one": {On: []string{"crash"}, URL: s.URL}}, nil)
	log.Add(0, crash)
	if body := <-bodies; !strings.HasPrefix(body, `POST application/json {"seq":1,`) {
		t.Error(body)
	}
	r.await(t, func(s Status) bool { return s.Delivered == 1 && s.Error == "" })
	log.Add(0, crash)
	r.await(t, func(s Status) bool {
		return s.Failed == 1 && s.Error == "it answers 403 Forbidden: who are you; it isn't tried again"
	})
	if n := asked.Load(); n != 4 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestMissed counts events that were not kept while a hook was busy, and holds nothing up.
func TestMissed(t *testing.T) {
	asked, gate := make(chan struct{}, 2), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-gate }))
	defer s.Close()
	r, log := newRunner(t)
	r.Set(map[string]Hook{"one": {On: []string{"crash", "stop"}, URL: s.URL}}, nil)
	log.Add(0, crash)
	<-asked // it has this one, which would be lost with the others otherwise
	for range 2 {
		for n := range 5000 {
			log.Add(0, generations.Event{Kind: generations.KindPhase, Detail: fmt.Sprint(n)})
		}
	}
	close(gate)
	r.await(t, func(s Status) bool { return s.Delivered == 1 && s.Missed > 1000 })
	log.Add(0, generations.Event{Kind: generations.KindStop})
	r.await(t, func(s Status) bool { return s.Delivered == 2 })
}

// TestCheck finds the faults of hooks.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		hook Hook
		want string
	}{
		{Hook{On: []string{"crash"}, Command: []string{"true"}}, ""},
		{Hook{On: []string{"crash"}, URL: "https://example.com/x"}, ""},
		{Hook{Command: []string{"true"}}, "no events"},
		{Hook{On: []string{"krash"}, URL: "http://h"}, `on: "krash" is no kind`},
		{Hook{On: []string{"crash"}}, "want either command"},
		{Hook{On: []string{"crash"}, Command: []string{""}}, "command: want the name"},
		{Hook{On: []string{"crash"}, URL: "http://h", Command: []string{"x"}}, "want either command"},
		{Hook{On: []string{"crash"}, URL: "example.com"}, "url: want one such as"},
		{Hook{On: []string{"crash"}, URL: "http://h", Attempts: -1}, "can't be negative"},
	} {
		var faults []string
		test.hook.Check(func(field, text string) { faults = append(faults, field+": "+text) })
		if got := strings.Join(faults, "\n"); (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v: %q, want %q", test.hook, got, test.want)
		}
	}
}
