package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
)

// silentServer returns a socket on which connections are taken, and nothing is answered.
func silentServer(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "silent-") // t.TempDir may be too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "c.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			defer c.Close()
		}
	}()
	return l.Addr().String()
}

// askingCommands has an example of the arguments of each command that asks the server. TestSilence goes by the flag that all of them have.
var askingCommands = map[string][]string{
	"deploy": {"greeter"}, "dev": nil, "events": nil, "handover": nil, "history": nil, "profile": nil, "prune": nil, "reload": nil, "rollback": nil, "status": nil,
	"quarantine": {"--lift", "6b7a76b4f381"},
	"plugin add": {"greeter", "greeter.so"}, "plugin disable": {"greeter"}, "plugin enable": {"greeter"}, "plugin move": {"greeter", "prod"},
	"plugin remove": {"greeter"},
	"state show":    {"greeter"}, "state export": {"greeter"},
	"test": {"--server", "greeter", "--schedule", "now"}, "trigger list": nil, "trigger add": {"greeter", "every:1m"},
	"trigger remove": {"greeter/t"}, "trigger enable": {"greeter/t"}, "trigger disable": {"greeter/t"}, "trigger replay": {"greeter/t"},
}

// TestSilence runs every command that asks the server with one that doesn't answer. Each says what it waits for, and ends.
func TestSilence(t *testing.T) {
	t.Parallel()
	socket := silentServer(t)
	found := map[string]bool{}
	var waiting sync.WaitGroup
	for _, cmd := range visible(newRootCommand()) {
		name := strings.TrimPrefix(cmd.CommandPath(), "sohost ")
		if cmd.Flags().Lookup("control") == nil || name == "run" {
			continue
		}
		found[name] = true
		args, known := askingCommands[name]
		if !known {
			t.Errorf("%s asks the server, and there is no example of its arguments", name)
		}
		if name == "dev" { // see TestSilenceDev
			continue
		}
		waiting.Go(func() { // not as parallel tests, of which few run at once: these only wait
			var diagnostics bytes.Buffer
			root := newRootCommand()
			root.SetOut(&diagnostics)
			root.SetErr(&diagnostics)
			root.SetArgs(append(append(strings.Fields(name), args...), "--control", socket, "--wait", "1500ms"))
			err := root.ExecuteContext(t.Context())
			if strings.HasPrefix(name, "state") { // it is asked only for what is nice to have
				if err == nil {
					t.Errorf("%s: there is a state", name)
				}
			} else if !errors.Is(err, control.ErrSilent) {
				t.Errorf("%s ends with %v", name, err)
			}
			if !strings.Contains(diagnostics.String(), "the server, pid ") {
				t.Errorf("%s says %q", name, diagnostics.String())
			}
		})
	}
	waiting.Wait()
	for name := range askingCommands {
		if !found[name] {
			t.Errorf("there is no command %s that asks the server", name)
		}
	}
}

// TestSilenceDev has a build told, and an image deployed, where the server doesn't answer.
func TestSilenceDev(t *testing.T) {
	t.Parallel()
	client := control.NewClient(silentServer(t))
	client.Patience.Answer = 10 * time.Millisecond
	d := developer{options: build.Options{Package: "./testdata/absent"}, name: "absent", client: client}
	if c := d.cycle(t.Context(), save{}); c.Error == "" {
		t.Error("an absent package is built")
	}
	if _, err := d.deploy(t.Context(), "absent", &build.Result{}); !errors.Is(err, control.ErrSilent) {
		t.Errorf("a deploy: %v", err)
	}
}

// TestSilenceCompletion completes names that only the server knows.
func TestSilenceCompletion(t *testing.T) {
	t.Parallel()
	socket := silentServer(t)
	for _, line := range []string{"deploy --control SOCKET", "quarantine --control SOCKET --lift", "trigger enable --control SOCKET"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			root := newRootCommand()
			root.SetOut(&out)
			root.SetErr(&out)
			root.SetArgs(append([]string{"__complete"}, append(strings.Fields(strings.Replace(line, "SOCKET", socket, 1)), "")...))
			if err := root.ExecuteContext(t.Context()); err != nil || strings.Contains(out.String(), "waiting") {
				t.Errorf("%v: %s", err, out.String())
			}
		})
	}
}

// TestWaitFlag gives commands odd times and an odd trace: a time that can't be waited is refused, and a trace that is none is left out.
func TestWaitFlag(t *testing.T) {
	run := func(args ...string) error {
		root := newRootCommand()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(args)
		return root.ExecuteContext(t.Context())
	}
	if err := run("status", "--wait=-1s", "--control", "c.sock"); !errors.As(err, new(usageError)) {
		t.Errorf("--wait=-1s: %v", err)
	}
	t.Setenv("TRACEPARENT", "a\nb")
	if err := run("status", "--control", filepath.Join(t.TempDir(), "c.sock")); !isNoServer(err) {
		t.Errorf("with a trace that is none: %v", err)
	}
}

// TestWatchWaits has "status --watch" wait as long as --wait says also after the first answer.
func TestWatchWaits(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Duration]time.Duration{0: watchSilent, time.Hour: time.Hour} {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "c.sock"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/events" { // which it wants once it has the first answer
				cancel()
			}
			io.WriteString(w, "{}")
		})}
		var serving sync.WaitGroup
		serving.Go(func() { server.Serve(l) })
		client := control.NewClient(l.Addr().String())
		client.Patience.Answer = given
		if err := (&statusWatch{client: client, out: io.Discard}).run(ctx); err != nil {
			t.Error(err)
		}
		if client.Patience.Answer != want {
			t.Errorf("with %v it waits %v", given, client.Patience.Answer)
		}
		server.Close()
		serving.Wait()
	}
}
