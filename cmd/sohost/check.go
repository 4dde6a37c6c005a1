package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
	"github.com/spf13/cobra"
)

// verdict is what `sohost check` says of one file.
type verdict struct {
	File    string          `json:"file"`
	Host    string          `json:"host,omitempty"` // absent: this executable
	OK      bool            `json:"ok"`
	Message string          `json:"message,omitempty"`
	Reasons []native.Reason `json:"reasons,omitempty"`
}

func newCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Say whether images would load, and if not why and what to do",
		Long: `Check compares images with a server's executable, this one or the one that --host names, without running anything. It
gives every reason at once. It exits with 1 if an image would be refused.

What is loaded in a running server already is not taken into account: "sohost deploy" does that.`,
		Example: `  sohost check build/plugins/*.so
  sohost check --host ./myserver --json build/plugins/counter.so`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeImages,
	}
	host := cmd.Flags().String("host", "", "`executable` of the server (default: this one)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		process, err := hostProcess(*host)
		if err != nil {
			return err
		}
		verdicts, refused := []verdict{}, 0
		for _, file := range args {
			v := judge(file, *host, process)
			if !v.OK {
				refused++
			}
			verdicts = append(verdicts, v)
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), verdicts)
		} else {
			err = printVerdicts(cmd.OutOrStdout(), cmd.ErrOrStderr(), verdicts)
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

// printVerdicts prints what loads to out, and what doesn't to diagnostics.
func printVerdicts(out, diagnostics io.Writer, verdicts []verdict) (err error) {
	for _, v := range verdicts {
		if v.OK {
			_, err = fmt.Fprintf(out, "%s: loads\n", v.File)
			continue
		}
		reasons := []string{v.Message}
		if len(v.Reasons) > 0 {
			reasons = nil
			for _, r := range v.Reasons {
				reasons = append(reasons, r.Error())
			}
		}
		fmt.Fprintf(diagnostics, "%s would be refused:\n  %s\n", v.File, strings.Join(reasons, "\n  "))
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
		return nil, fmt.Errorf("--host %s is no Go program (%s); name the one that loads the images", binary, info.Kind)
	}
	return native.ProcessOf(binary)
}

func judge(file, host string, process *native.Process) verdict {
	v := verdict{File: file, Host: host}
	info, err := native.InspectFile(file)
	if err == nil {
		err = native.Check(info, process, instance.Requirements())
	}
	if v.OK = err == nil; !v.OK {
		v.Message = err.Error()
	}
	var rejection *native.Rejection
	if errors.As(err, &rejection) {
		v.Reasons = rejection.Reasons
	}
	return v
}
