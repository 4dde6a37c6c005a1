// Package self starts the running program again.
package self

import (
	"context"
	"os"
	"os/exec"
)

// LauncherEnv names a program that starts this one, such as an emulator of another architecture that the kernel doesn't know.
const LauncherEnv = "SOHOST_LAUNCHER"

// Executable leads to the running program, even if its file was replaced or removed.
const Executable = "/proc/self/exe"

// Command is a command that runs program, or if that is empty the running program, with the arguments.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	launcher := os.Getenv(LauncherEnv)
	if program == "" {
		program = Executable
		if launcher != "" { // whose own executable that is
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
