package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newProfileCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile [KIND]",
		Short: "Take a profile of the running plugins",
		Long: `Profile takes a profile of the worker, by default of the CPU, and writes it to a file that "go tool pprof" reads. In a CPU profile,
samples of requests, batches and ticks of a plugin have the labels plugin and generation, and so have those of goroutines that it
began in New and Start: "go tool pprof -tagfocus plugin=NAME -top cpu.pb.gz".

Kinds are ` + strings.Join(control.ProfileKinds(), ", ") + `.`,
		Example: `  sohost profile --seconds 30
  sohost profile heap -o before.pb.gz`,
		Args: cobra.MaximumNArgs(1), ValidArgs: control.ProfileKinds(),
	}
	f := cmd.Flags()
	seconds := f.Int("seconds", int(control.DefaultProfile/time.Second), "how many `seconds` a CPU profile is taken")
	output := f.StringP("output", "o", "", "write to this `file` (default KIND.pb.gz)")
	server := connect(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind := control.CPUProfile
		if len(args) > 0 {
			kind = args[0]
		}
		if !slices.Contains(control.ProfileKinds(), kind) {
			return usageError{fmt.Errorf("there is no profile %q: want one of %s", kind, strings.Join(control.ProfileKinds(), ", "))}
		}
		file := *output
		if file == "" {
			file = kind + ".pb.gz"
		}
		client, err := server()
		if err != nil {
			return err
		}
		if kind == control.CPUProfile && client.Patience.Answer == 0 {
			client.Patience.Answer = time.Duration(*seconds)*time.Second + control.DefaultProfile
		}
		client.Patience.Doing = "taking the profile"
		text, err := client.Profile(cmd.Context(), kind, *seconds)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil { // it may have texts of the plugins
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is written: go tool pprof -top %s\n", file, file)
		return err
	}
	return cmd
}
