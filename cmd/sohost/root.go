package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sohost",
		Short: "Serve Go plugins and reload them while they serve",
		Long: `Sohost serves Go plugins (-buildmode=plugin images) and replaces their code while it serves: no request is lost, state
moves into the new code, and an image that can't be loaded leaves the old code serving.

It exits with 0 when what was asked is done, with 1 when it was refused, and with 2 when the command line or the
configuration can't be understood.`,
		Example: `  sohost new greeter           # write a plugin to begin with
  sohost build ./greeter       # make an image of it: build/plugins/greeter.so
  sohost run                   # serve build/plugins/*.so, each under /NAME
  sohost dev ./greeter         # beside it: rebuild and reload on save`,
		Version:            version(),
		SilenceErrors:      true, // main prints them, once
		SilenceUsage:       true,
		DisableSuggestions: true, // unknownCommand makes them
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return seeHelp(cmd, err) })
	root.AddCommand(
		newRunCommand(), newBuildCommand(), newDevCommand(), newNewCommand(), newInspectCommand(), newCheckCommand(),
		newDeployCommand(), newRollbackCommand(), newStatusCommand(), newHistoryCommand(), newPruneCommand(),
		newHandoverCommand(), newQuarantineCommand(), newToolexecCommand(), newWorkerCommand(),
	)
	for _, cmd := range root.Commands() {
		if count := cmd.Args; count != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				switch {
				case count(cmd, args) == nil:
					return nil
				case len(args) == 0:
					return seeHelp(cmd, fmt.Errorf("an argument is missing: %s", cmd.UseLine()))
				}
				return seeHelp(cmd, fmt.Errorf("too many arguments (%s): %s", strings.Join(args, " "), cmd.UseLine()))
			}
		}
	}
	adjustBuiltIn(root)
	return root
}

// adjustBuiltIn makes the commands that come with cobra behave as ours do.
func adjustBuiltIn(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			show := cmd.Run
			cmd.Example = "  sohost help run"
			cmd.Run = nil
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if found, _, err := root.Find(args); found == nil || err != nil {
					return unknownCommand(root, args)
				}
				show(cmd, args)
				return nil
			}
		case "completion":
			cmd.Short = "Print a script that completes sohost's command lines in a shell"
			cmd.Example = `  source <(sohost completion bash)
  sohost completion zsh > "${fpath[1]}/_sohost"
  sohost completion fish > ~/.config/fish/completions/sohost.fish`
			for _, shell := range cmd.Commands() {
				if shell.Name() == "powershell" { // sohost runs on Linux alone
					cmd.RemoveCommand(shell)
				}
			}
		}
	}
}

func seeHelp(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())}
}

// unknownCommand names the commands that were perhaps meant.
func unknownCommand(root *cobra.Command, args []string) error {
	name := args[0]
	if i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") }); i >= 0 {
		name = args[i]
	}
	root.SuggestionsMinimumDistance = 2
	err := fmt.Errorf("unknown command %q", name)
	if meant := root.SuggestionsFor(name); len(meant) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(meant, " or "))
		return usageError{err}
	}
	return seeHelp(root, err)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
