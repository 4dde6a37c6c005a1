package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// An outcome says what became of one change.
type outcome string

const (
	invalid  outcome = "does not compile"
	noticed  outcome = "noticed"
	hung     outcome = "noticed: timed out"
	survived outcome = "SURVIVED"
)

// A runner runs the tests of one package, with and without a change.
type runner struct {
	pkg     string        // the package that is changed
	tests   string        // the package whose tests are run
	run     string        // go test -run
	tmp     string        // for overlays and what the tests write to TMPDIR
	timeout time.Duration // for one run of the tests
}

var passed = regexp.MustCompile(`(?m)^ok\s+\S+\s+([0-9.]+s)(.*)$`)

// baseline runs the tests without a change. It returns how long they took, or an error unless they pass.
func (r *runner) baseline(ctx context.Context) (time.Duration, error) {
	r.timeout = 10 * time.Minute
	out, err := r.goTest(ctx, r.tmp, "")
	if err != nil {
		return 0, fmt.Errorf("the tests of %s fail without any change: %w\n%s", r.tests, err, out)
	}
	m := passed.FindSubmatch(out)
	if m == nil || bytes.Contains(m[2], []byte("no tests to run")) {
		return 0, fmt.Errorf("%s: %w", r.tests, errNoTests)
	}
	return time.ParseDuration(string(m[1]))
}

// try reports whether the tests notice c.
func (r *runner) try(ctx context.Context, c change) (outcome, error) {
	dir, err := os.MkdirTemp(r.tmp, "")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	changed, overlay := filepath.Join(dir, filepath.Base(c.File)), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{c.File: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(changed, c.source, 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	// This compiles and doesn't link; the test takes the result from the build cache.
	if _, err := r.goCommand(ctx, dir, overlay, "list", "-export", "-f", "{{.Export}}", r.pkg); err != nil {
		return invalid, ctx.Err()
	}
	out, err := r.goTest(ctx, dir, overlay)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case bytes.Contains(out, []byte("panic: test timed out")):
		return hung, nil
	default:
		return noticed, nil
	}
}

func (r *runner) goTest(ctx context.Context, dir, overlay string) ([]byte, error) {
	// A test that ignores its timeout, or a child of it that keeps its output open, is killed some time later.
	ctx, cancel := context.WithTimeout(ctx, r.timeout+2*time.Minute)
	defer cancel()
	return r.goCommand(ctx, dir, overlay,
		"test", "-count=1", "-failfast", "-vet=off", "-timeout="+r.timeout.String(), "-run="+r.run, r.tests)
}

func (r *runner) goCommand(ctx context.Context, dir, overlay string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if overlay != "" {
		// Not as an argument: a test that builds something builds it with the change.
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = kill() // what the tests left running; usually nothing
	}
	return out, err
}
