// Command sohost serves Go plugins and reloads them without a restart.
//
// It exits with 0 when the command succeeded, with 1 when it was refused or failed (the reasons are on standard error), and
// with 2 when the command line or the configuration is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sohost/sohost/internal/server/worker"
	"github.com/sohost/sohost/internal/terminal"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:]))
}

// run executes one command line, prints the error if there is one, and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		if _, _, unknown := root.Find(args); unknown != nil {
			err = unknownCommand(root, args)
		}
	}
	if out, is := root.OutOrStdout().(*terminal.Output); is && err == nil {
		err = out.Err() // whoever has written it may not have looked
	}
	return exitCode(root.ErrOrStderr(), err)
}

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode prints the error to w and maps it to the exit code.
func exitCode(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.As(err, new(*worker.ToldError)) { // the supervisor prints it
		return 1
	}
	fmt.Fprintln(w, terminal.LookOf(w).Paint(terminal.Bad, "sohost:"), err)
	if usage := (usageError{}); errors.As(err, &usage) {
		return 2
	}
	return 1
}
