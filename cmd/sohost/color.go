package main

import (
	"os"

	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

// addColorFlag gives a command and those below it outputs, and the flag that says when these are in color.
func addColorFlag(root *cobra.Command) {
	out, diagnostics := terminal.NewOutput(os.Stdout), terminal.NewOutput(os.Stderr)
	root.SetOut(out)
	root.SetErr(diagnostics)
	root.PersistentFlags().Var(&colorFlag{terminal.Auto, []*terminal.Output{out, diagnostics}}, "color",
		"`when` to use color: auto, which is on terminals and as NO_COLOR and CLICOLOR_FORCE say, always or never")
	root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions( // fails only for a flag that isn't there
		[]string{string(terminal.Auto), string(terminal.Always), string(terminal.Never)}, cobra.ShellCompDirectiveNoFileComp))
}

// colorFlag sets the mode of outputs as soon as it is parsed, so that errors about other flags have it, too.
type colorFlag struct {
	mode    terminal.Mode
	outputs []*terminal.Output
}

func (f *colorFlag) String() string { return string(f.mode) }
func (f *colorFlag) Type() string   { return "when" }

func (f *colorFlag) Set(value string) (err error) {
	if f.mode, err = terminal.ParseMode(value); err != nil {
		return err
	}
	for _, o := range f.outputs {
		o.SetMode(f.mode)
	}
	// Workers and the programs that take over write to the same terminal.
	switch f.mode {
	case terminal.Always:
		os.Unsetenv("NO_COLOR")
		os.Setenv("CLICOLOR_FORCE", "1")
	case terminal.Never:
		os.Setenv("NO_COLOR", "1")
	}
	return nil
}
