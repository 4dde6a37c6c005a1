package main

import (
	"github.com/sohost/sohost/internal/build"
	"github.com/spf13/cobra"
)

// newToolexecCommand returns the command that "sohost build" makes the go command run in place of each compiler and linker.
func newToolexecCommand() *cobra.Command {
	return &cobra.Command{
		Use:                build.ToolexecCommand + " TOOL [ARGUMENT...]",
		Short:              "Run a tool of the Go toolchain for sohost build",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return build.Toolexec(args) },
	}
}
