package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run has the first image end a process as command says, and returns what is left of the process. If sig is not 0 the process
// gets it when the command has returned.
func run(t *testing.T, command, arg string, sig syscall.Signal, names ...string) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	output := filepath.Join(t.TempDir(), "output")
	args := []string{output, command, arg}
	for _, name := range names {
		args = append(args, built(name))
	}
	cmd := exec.CommandContext(ctx, built("host"), args...)
	// Writers of a map must run at the same time to be caught.
	cmd.Env = append(os.Environ(), "GOTRACEBACK=single", "GOMAXPROCS=4")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if said += lines.Text(); said == "ready" && sig != 0 {
			if err := cmd.Process.Signal(sig); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || ctx.Err() != nil || said != "" && said != "ready" {
		t.Fatalf("the host ended with %v and said %q", err, said)
	}
	b, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	return NewReport(cmd.ProcessState, started, time.Now(), string(b))
}

// Each command ends a real process, in which a second image stands by.
func TestCulprit(t *testing.T) {
	t.Parallel()
	images := opened(t, "other", "crasher")
	path := inspect(t, "crasher").PluginPath
	for _, test := range []struct {
		command string
		sig     syscall.Signal
		exit    string
		reason  string
		blamed  string // the function by which crasher is blamed, below its package; empty if nobody is
	}{
		{command: "panic", exit: "exit status 2", reason: "panic: boom", blamed: "Crash.func1"},
		{command: "direct", exit: "exit status 2", reason: "panic: boom", blamed: "Crash"},
		{command: "nested", exit: "exit status 2", reason: "panic: first panic: second", blamed: "Crash."},
		{command: "repanic", exit: "exit status 2", reason: "panic: first [recovered, repanicked]", blamed: "Crash."},
		{command: "recovered", exit: "exit status 2", reason: "panic: first [recovered] panic: second", blamed: "Crash."},
		{command: "nilmap", exit: "exit status 2", reason: "panic: assignment to entry in nil map", blamed: "Crash."},
		{command: "nil", exit: "exit status 2", reason: "panic: runtime error: invalid memory address or nil pointer dereference",
			blamed: "(*tree).depth"},
		{command: "generic", exit: "exit status 2", reason: "panic: k", blamed: "pair[...].fail"},
		{command: "std", exit: "exit status 2", reason: "panic: item", blamed: "Crash."},

		{command: "fault", exit: "exit status 2", reason: "SIGSEGV: segmentation violation", blamed: "fault"},
		{command: "maps", exit: "exit status 2", reason: "fatal error: concurrent map access", blamed: "store"},
		{command: "stack", exit: "exit status 2", reason: "fatal error: stack overflow", blamed: "grow"},
		{command: "memory", exit: "exit status 2", reason: "fatal error: out of memory", blamed: "Crash."},

		{command: "C fault", exit: "exit status 2", reason: "SIGSEGV: segmentation violation during cgo execution",
			blamed: "_Cfunc_fault"},
		{command: "C abort", exit: "exit status 2", reason: "SIGABRT: abort during cgo execution", blamed: "_Cfunc_abort"},
		{command: "C callback", exit: "exit status 2", reason: "panic: called from C", blamed: "fromC"},
		{command: "C thread", exit: "signal: segmentation fault", reason: "signal: segmentation fault"},

		{command: "shared", exit: "exit status 2", reason: "panic: shared", blamed: "Crash."},
		{command: "shared list", exit: "exit status 2", reason: "panic: item", blamed: "Crash."},
		{command: "shared created", exit: "exit status 2", reason: "panic: shared", blamed: "Crash"},
		{command: "shared stack", exit: "exit status 2", reason: "fatal error: stack overflow", blamed: "Crash."},
		{command: "shared only", exit: "exit status 2", reason: "panic: shared"},
		{command: "timer", exit: "exit status 2", reason: "panic: shared"},

		{command: "exit", exit: "exit status 3", reason: "exit status 3"},
		{command: "kill", exit: "signal: killed", reason: "signal: killed, by another process, or by the kernel because memory ran out (see dmesg)"},
		{command: "spin", sig: syscall.SIGQUIT, exit: "exit status 2", reason: "SIGQUIT: quit"},
		{command: "spin", sig: syscall.SIGABRT, exit: "exit status 2", reason: "SIGABRT: abort"},
		{command: "spin", sig: syscall.SIGTERM, exit: "signal: terminated", reason: "signal: terminated"},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			r := run(t, test.command, "", test.sig, "crasher", "other")
			if r.Exit != test.exit {
				t.Errorf("exit: %q, want %q", r.Exit, test.exit)
			}
			if reason := r.Reason(); reason != test.reason {
				t.Errorf("reason: %q, want %q", reason, test.reason)
			}
			want := ""
			if test.blamed != "" {
				want = "crasher"
			}
			id, frame, _ := Parse(r.Output).Culprit(images)
			if id != want {
				t.Errorf("%q is to blame for %v, want %q", id, frame, want)
			}
			if want != "" && !strings.HasPrefix(frame.Func, path+"."+test.blamed) {
				t.Errorf("the call that shows it is %v, want %s", frame, test.blamed)
			}
			if want != "" && (frame.File == "" || frame.Line == 0) {
				t.Errorf("the call has no line: %v", frame)
			}
			if t.Failed() {
				t.Logf("the output was\n%s", r.Output[:min(len(r.Output), 4000)])
			}
		})
	}
}

// The host has package abi, but not container/ring.
func TestBrings(t *testing.T) {
	got := slices.Sorted(maps.Keys(OwnPackages(inspect(t, "crasher"), inspect(t, "host"))))
	if len(got) != 2 || got[0] != inspect(t, "crasher").PluginPath || !strings.Contains(got[1], "/shared.v2_g") {
		t.Errorf("crasher brings %q", got)
	}
}

// The value of a panic may look like a trace that blames somebody else.
func TestCulpritImitated(t *testing.T) {
	t.Parallel()
	images := opened(t, "other", "crasher")
	imitation := "boom\n\ngoroutine 1 [running]:\n" + inspect(t, "other").PluginPath + ".Crash(0x1)\n\t/other.go:7 +0x1\n"
	for _, command := range []string{"error", "named", "text"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			r := run(t, command, imitation, 0, "crasher", "other")
			if id, frame, ok := Parse(r.Output).Culprit(images); !ok || id != "crasher" {
				t.Errorf("%q is to blame for %v\n%s", id, frame, r.Output)
			}
			if reason := r.Reason(); strings.Contains(reason, "\n") || !strings.Contains(reason, "boom goroutine 1 [running]:") {
				t.Errorf("reason: %q", reason)
			}
		})
	}
}

// Images of go build are named by their import path, or by a hash.
func TestCulpritPlain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "unnamed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "boom", "", 0, name)
			id, frame, ok := Parse(r.Output).Culprit(opened(t, "other", name))
			if !ok || id != name || frame.Package != inspect(t, name).PluginPath {
				t.Errorf("%q is to blame for %v\n%s", id, frame, r.Output)
			}
		})
	}
	r := run(t, "boom", "", 0, "other", "crasher")
	if id, frame, ok := Parse(r.Output).Culprit(opened(t, "crasher", "other")); !ok || id != "other" {
		t.Errorf("%q is to blame for %v\n%s", id, frame, r.Output)
	}
}

// An output may end anywhere. What is then told is less, but nothing else.
func TestCulpritCut(t *testing.T) {
	t.Parallel()
	images := opened(t, "other", "crasher")
	r := run(t, "panic", "", 0, "crasher", "other")
	_, whole, _ := Parse(r.Output).Culprit(images)
	blamed := 0
	for n := range len(r.Output) {
		id, frame, ok := Parse(r.Output[:n]).Culprit(images)
		if !ok {
			continue
		}
		blamed++
		if id != "crasher" || frame.Func != whole.Func || frame.File != "" && frame != whole {
			t.Errorf("%q is to blame for %v after %d bytes, want %v", id, frame, n, whole)
		}
	}
	if blamed == 0 {
		t.Error("nobody was ever to blame")
	}
}

func TestReportJSON(t *testing.T) {
	t.Parallel()
	r := run(t, "kill", "", 0, "crasher")
	if r.PID == 0 || r.Signal != syscall.SIGKILL || r.ExitCode != -1 || r.Ended.Before(r.Started) {
		t.Errorf("report: %+v", r)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if !again.Started.Equal(r.Started) || !again.Ended.Equal(r.Ended) {
		t.Errorf("times: %v", again)
	}
	again.Started, again.Ended = r.Started, r.Ended
	if !reflect.DeepEqual(&again, r) {
		t.Errorf("got %+v, want %+v", again, r)
	}
}
