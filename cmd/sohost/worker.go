package main

import (
	"log/slog"
	"os"

	"github.com/sohost/sohost/internal/server/worker"
	"github.com/spf13/cobra"
)

// newWorkerCommand returns the command that "sohost run" starts as its worker, the process that serves.
func newWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Serve on the sockets of sohost run",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return worker.Run(func(format string, verbose bool) (*slog.Logger, error) {
				return newLogger(os.Stderr, format, verbose)
			})
		},
	}
}
