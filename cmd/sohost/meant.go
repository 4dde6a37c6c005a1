package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sohost/sohost/internal/suggest"
)

// unknown says that there is no such thing, which one was probably meant, and which ones there are.
func unknown(what, name string, names []string, wants string) error {
	if meant := suggest.Closest(name, names); meant != "" {
		return fmt.Errorf("unknown %s %q; did you mean %s? Want %s", what, name, meant, wants)
	}
	return fmt.Errorf("unknown %s %q: want %s", what, name, wants)
}

// unknownFlag adds the flag of cmd that was probably meant to pflag's error for one that it doesn't have.
func unknownFlag(cmd *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	name, _, _ := strings.Cut(missing.GetSpecifiedName(), "=")
	if meant := suggest.Closest(name, names); meant != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, meant)
	}
	return err
}

// refuseUnknown makes the commands below cmd that do nothing themselves fail for a command that they don't have. Cobra prints their help
// and succeeds.
func refuseUnknown(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		refuseUnknown(below)
	}
	if !cmd.HasSubCommands() || !cmd.HasParent() || cmd.Runnable() && cmd.Name() != "completion" {
		return
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args)
	}
}

// unknownCommand suggests the commands below cmd that were probably meant.
func unknownCommand(cmd *cobra.Command, args []string) error {
	name := args[0]
	if i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") }); i >= 0 {
		name = args[i]
	}
	cmd.SuggestionsMinimumDistance = 2
	err := fmt.Errorf("unknown command %q", strings.TrimPrefix(cmd.CommandPath()+" "+name, cmd.Root().Name()+" "))
	if meant := cmd.SuggestionsFor(name); len(meant) > 0 {
		return usageError{fmt.Errorf("%w; did you mean %s?", err, strings.Join(meant, " or "))}
	}
	return seeHelp(cmd, err)
}
