package main

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/native"
	"github.com/spf13/cobra"
)

// verdict is what `sohost check` says of one file.
type verdict struct {
	File    string          `json:"file"`
	Host    string          `json:"host"`
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
		Args: cobra.MinimumNArgs(1),
	}
	host := cmd.Flags().String("host", "", "executable of the server (default: this one)")
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
			if err := printJSON(cmd.OutOrStdout(), verdicts); err != nil {
				return err
			}
		} else {
			for _, v := range verdicts {
				if v.OK {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: loads\n", v.File)
				} else {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: would be refused:\n%s\n", v.File, indent(v.Message))
				}
			}
		}
		if refused > 0 {
			return fmt.Errorf("%d of %d would be refused", refused, len(args))
		}
		return nil
	}
	return cmd
}

func hostProcess(binary string) (*native.Process, error) {
	if binary == "" {
		return native.Self()
	}
	return native.ProcessOf(binary)
}

func judge(file, host string, process *native.Process) verdict {
	v := verdict{File: file, Host: host}
	info, err := native.InspectFile(file)
	if err == nil {
		err = native.Check(info, process, sohost.Requirements())
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
