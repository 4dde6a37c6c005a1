package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/self"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sohost",
		Short: "Hot-reload Go plugins in a running server",
		Long: `Sohost serves Go plugins (-buildmode=plugin images) and reloads them without a restart: no request is lost, state moves
into the new code, and if an image can't be loaded, the current code keeps serving.

It exits with 0 when the command succeeded, with 1 when it was refused or failed, and with 2 when the command line or the
configuration is wrong.`,
		Example: `  sohost new greeter           # create a plugin
  sohost build ./greeter       # build it into build/plugins/greeter.so
  sohost run                   # serve build/plugins/*.so, each under /NAME
  sohost dev ./greeter         # in another terminal: rebuild and reload on save`,
		Version:            self.Version(),
		SilenceErrors:      true, // main prints them
		SilenceUsage:       true,
		DisableSuggestions: true, // unknownCommand makes them
	}
	addColorFlag(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return seeHelp(cmd, unknownFlag(cmd, plainFlagError(err))) })
	root.AddCommand(
		newRunCommand(), newBuildCommand(), newDevCommand(), newNewCommand(), newInspectCommand(), newCheckCommand(),
		newDeployCommand(), newRollbackCommand(), newStatusCommand(), newHistoryCommand(), newEventsCommand(), newPruneCommand(), newProfileCommand(),
		newHandoverCommand(), newReloadCommand(), newPluginCommand(), newStateCommand(), newQuarantineCommand(), newTriggerCommand(), newTestCommand(), newDoctorCommand(), newDemoCommand(),
		newVersionCommand(), newManCommand(), newWorkerCommand(),
	)
	explain(root)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			adjustHelp(root, cmd)
		case "completion":
			adjustCompletion(cmd)
		}
	}
	refuseUnknown(root)
	return root
}

// explain makes the errors of the commands below cmd show what their arguments should be.
func explain(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		if below.Args != nil {
			below.Args = explained(below.Args)
		}
		explain(below)
	}
}

// plainFlagError says what a flag wants, where the error would name the function that has parsed its value.
func plainFlagError(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok || !errors.As(err, new(*strconv.NumError)) {
		return err
	}
	want := wantNumber
	if invalid.GetFlag().Value.Type() == "bool" {
		want = wantBoolean
	}
	return fmt.Errorf("--%s %s: want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// explained returns check with an error that shows what the arguments should be.
func explained(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case len(args) == 0:
			return seeHelp(cmd, fmt.Errorf("missing argument: %s", cmd.UseLine()))
		}
		return seeHelp(cmd, fmt.Errorf("too many arguments (%s): %s", strings.Join(args, " "), cmd.UseLine()))
	}
}

// adjustHelp makes cobra's help command fail for an unknown command.
func adjustHelp(root, help *cobra.Command) {
	show := help.Run
	help.Example = "  sohost help run"
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, args []string) error {
		if found, _, err := root.Find(args); found == nil || err != nil {
			return unknownCommand(root, args)
		}
		show(cmd, args)
		return nil
	}
}

// adjustCompletion adds examples to cobra's completion command, and removes what is of no use on Linux.
func adjustCompletion(completion *cobra.Command) {
	completion.Short = "Print a shell completion script"
	completion.Long = "Completion prints a script that lets a shell complete commands, flags, and names of plugins and images."
	completion.Example = `  source <(sohost completion bash)
  sohost completion zsh > "${fpath[1]}/_sohost"
  sohost completion fish > ~/.config/fish/completions/sohost.fish`
	for _, shell := range completion.Commands() {
		shell.Example = "  sohost completion " + shell.Name()
		if shell.Name() == "powershell" {
			completion.RemoveCommand(shell)
		}
	}
}

func seeHelp(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())}
}
