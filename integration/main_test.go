package integration

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/self"
)

// arm64 has the servers and plugins of the tests built for arm64 and run under an emulator. The tool that builds plugins
// stays native.
var arm64 = flag.Bool("arm64", false, "run servers and plugins for arm64, under qemu-aarch64-static")

// full has the plugins of the tests built as full images. They are slim otherwise.
var full = flag.Bool("full", false, "build plugins with --full")

// The programs under test, made by TestMain.
var (
	repository string // root of the module
	tool       string // sohost, native: what people type
	server     string // sohost, for the architecture under test
	scratch    string // removed at the end
)

// repeats is how much longer the tests go on that do one thing again and again. Once is what shows a mistake in the code;
// many times is for mistakes in its concurrency, which come by chance.
var repeats = flag.Int("repeats", 1, "how many times as often as usual tests repeat reloads, handovers and signals")

// repeated returns n, multiplied by -repeats.
func repeated(n int) int { return n * *repeats }

func TestMain(m *testing.M) {
	flag.Parse()
	parallel()
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// parallel lets four tests run at once, unless the command line says otherwise: they wait for servers most of the time.
func parallel() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", "4")
	}
}

func prepared(m *testing.M) (code int, err error) {
	if repository, err = filepath.Abs(".."); err != nil {
		return 0, err
	}
	if scratch, err = os.MkdirTemp("", "sohost-integration-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	tool = filepath.Join(scratch, "sohost")
	if err := goBuild(repository, tool, "./cmd/sohost", nil); err != nil {
		return 0, err
	}
	server = tool
	if *arm64 {
		server = filepath.Join(scratch, "sohost-arm64")
		if err := goBuild(repository, server, "./cmd/sohost", crossEnv()); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

func crossEnv() []string {
	return []string{"GOARCH=arm64", "CGO_ENABLED=1", "CC=aarch64-linux-gnu-gcc"}
}

// goBuild builds a program or, with flags for it, a plugin as the README says, and with the race detector if these tests have it.
func goBuild(dir, output, pkg string, env []string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", output}, flags...)
	if raceEnabled {
		args = append(args, "-race")
	}
	return run(dir, env, "go", append(args, pkg)...)
}

// run runs a program that must succeed, most often one that compiles something, which takes its time without a cache.
func run(dir string, env []string, program string, args ...string) error {
	const limit = 10 * time.Minute
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), cmp.Or(context.Cause(ctx), err), out)
	}
	return nil
}

// command returns the command that runs a program under test on its architecture.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	if *arm64 && program != tool {
		cmd := exec.CommandContext(ctx, "qemu-aarch64-static", append([]string{program}, args...)...)
		cmd.Env = append(os.Environ(), "QEMU_LD_PREFIX=/usr/aarch64-linux-gnu", self.LauncherEnv+"=qemu-aarch64-static")
		return cmd
	}
	return exec.CommandContext(ctx, program, args...)
}

func targetArch() string {
	if *arm64 {
		return "arm64"
	}
	return runtime.GOARCH
}
