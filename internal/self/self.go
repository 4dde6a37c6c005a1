// Package self knows the running program: it starts it again, and names its version.
package self

import (
	"context"
	"os"
	"os/exec"
	"runtime/debug"
)

// LauncherEnv is the environment variable that names a program to start this one with, such as an emulator of an architecture that
// the kernel can't run.
const LauncherEnv = "SOHOST_LAUNCHER"

// Executable is a path to the running program that is valid even if its file was replaced or removed.
const Executable = "/proc/self/exe"

// Command returns a command that runs program with the arguments. If program is empty, it is the running program.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	launcher := os.Getenv(LauncherEnv)
	if program == "" {
		program = Executable
		if launcher != "" { // then /proc/self/exe is the launcher
			if path, err := os.Executable(); err == nil {
				program = path
			}
		}
	}
	if launcher != "" {
		return exec.CommandContext(ctx, launcher, append([]string{program}, args...)...)
	}
	return exec.CommandContext(ctx, program, args...)
}

// Version returns the version of the running program's main module, or "(devel)" if the build recorded none.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
