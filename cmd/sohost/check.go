package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/sohost/sohost/native"
	"github.com/spf13/cobra"
)

// checkResult is what `sohost check` reports about one file.
type checkResult struct {
	File    string          `json:"file"`
	Host    string          `json:"host,omitempty"` // absent: this executable
	OK      bool            `json:"ok"`
	Message string          `json:"message,omitempty"`
	Reasons []native.Reason `json:"reasons,omitempty"`

	Descriptor *instance.Description `json:"descriptor,omitempty"` // with --args
}

func newCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE... | --config FILE",
		Short: "Check whether a server would load images, and if not, why",
		Long: `Check compares images with a server's executable, this one or the one that --host names, without running anything. It
reports every reason at once, each with what to do about it. It exits with 1 if an image would be refused.

With --state, two images of a plugin are opened, in a process of its own that is thrown away, and the types of their states are
compared: whether a deploy would adopt or convert the state, or be refused, and which fields would be lost. New of both is called
there, and Export of the second one.

With --args, each image that loads is opened in a process of its own that is thrown away, and its arguments are listed.

With --config, a configuration is checked: its settings, certificates and files of tokens, whether the image of each plugin loads,
and whether it takes the arguments of its plugin and triggers. Faults of the file have their line and column.

Check ignores what a running server has already loaded. "sohost deploy" takes that into account.`,
		Example: `  sohost check build/plugins/*.so
  sohost check --host ./myserver --json build/plugins/counter.so
  sohost check --args build/plugins/counter.so
  sohost check --config sohost.toml
  sohost check --state old/counter.so build/plugins/counter.so`,
		Args: func(cmd *cobra.Command, args []string) error {
			if config, _ := cmd.Flags().GetString("config"); config != "" {
				return nil
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		ValidArgsFunction: completeImages,
	}
	host := cmd.Flags().String("host", "", "`executable` of the server (default: this one)")
	asJSON := jsonFlag(cmd)
	arguments := cmd.Flags().Bool("args", false, "list the arguments that each image takes")
	states := cmd.Flags().Bool("state", false, "say what a deploy of the second of two images would do to the state of the first")
	config := cmd.Flags().String("config", "", "check this configuration, and the images and arguments in it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *config != "" {
			return checkConfig(cmd, *config, args)
		}
		if *states && *arguments {
			return usageError{errors.New("--args and --state ask for different things: give one of them")}
		}
		if *states {
			if *host != "" {
				return usageError{errors.New("--state opens the images in this executable; it can't be used with --host")}
			}
			return checkState(cmd, args, *asJSON)
		}
		if *arguments && *host != "" {
			return usageError{errors.New("--args opens the images in this executable; it can't be used with --host")}
		}
		process, err := hostProcess(*host)
		if err != nil {
			return err
		}
		results, refused := []checkResult{}, 0
		for _, file := range args {
			r := checkImage(file, *host, process)
			if *arguments {
				r.describe(cmd.Context())
			}
			if !r.OK {
				refused++
			}
			results = append(results, r)
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), results)
		} else {
			err = printResults(cmd.OutOrStdout(), cmd.ErrOrStderr(), results)
		}
		switch {
		case err != nil || refused == 0:
			return err
		case len(args) == 1:
			return errors.New("the image would be refused")
		}
		return fmt.Errorf("%d of %d images would be refused", refused, len(args))
	}
	return cmd
}

// printResults prints images that load to out, and the others, with the reasons, to diagnostics.
func printResults(out, diagnostics io.Writer, results []checkResult) (err error) {
	for _, r := range results {
		if r.OK {
			if _, err = fmt.Fprintf(out, "%s: %s\n", r.File, terminal.LookOf(out).Paint(terminal.Good, "loads")); err == nil && r.Descriptor != nil {
				err = printArguments(out, r.Descriptor)
			}
			continue
		}
		reasons := []string{r.Message}
		if len(r.Reasons) > 0 {
			reasons = nil
			for _, reason := range r.Reasons {
				reasons = append(reasons, reason.Error())
			}
		}
		fmt.Fprintf(diagnostics, "%s %s\n  %s\n", r.File, terminal.LookOf(diagnostics).Paint(terminal.Bad, "would be refused:"), strings.Join(reasons, "\n  "))
	}
	return err
}

func hostProcess(binary string) (*native.Process, error) {
	if binary == "" {
		return native.Self()
	}
	info, err := native.InspectFile(binary)
	if err != nil {
		return nil, fmt.Errorf("--host: %w", err)
	}
	if info.Kind != native.KindGoExecutable {
		return nil, fmt.Errorf("--host %s is not a Go program (%s); name the executable that loads the images", binary, info.Kind)
	}
	return native.ProcessOf(binary)
}

func checkImage(file, host string, process *native.Process) checkResult {
	r := checkResult{File: file, Host: host}
	_, err := instance.CheckFor(file, "", process)
	if r.OK = err == nil; !r.OK {
		r.Message = err.Error()
	}
	var rejection *native.Rejection
	if errors.As(err, &rejection) {
		r.Reasons = rejection.Reasons
	}
	return r
}
