package main

import (
	"log/slog"
	"os"

	"github.com/sohost/sohost/internal/server/worker"
	"github.com/spf13/cobra"
)

// newWorkerCommand is the process that serves, which "sohost run" starts.
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
