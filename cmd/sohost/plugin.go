package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newPluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Add, remove, enable and disable plugins, and move them between modes",
		Long: `Plugin changes which plugins a running server has, without a change of its configuration file. All of a change goes live, in a
handover without a failed request, or nothing of it does. The rest goes on as it serves: the configuration file isn't read. Changes
are kept in the store and lie over the configuration, also after a restart; "sohost status" and "sohost reload --dry-run" name them.`,
		Example: `  sohost plugin add greeter /srv/plugins/greeter.so --route /hi
  sohost plugin disable greeter
  sohost plugin move greeter dev`,
	}
	cmd.AddCommand(newPluginAddCommand(), newPluginRemoveCommand(), newPluginEnableCommand(), newPluginDisableCommand(), newPluginMoveCommand())
	return cmd
}

func newPluginAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME FILE",
		Short: "Add a plugin",
		Long: `Add has the server serve one more plugin, from an image file. The flags are the settings of a plugin in sohost.toml. If a table of
that name is added to sohost.toml later, that counts.`,
		Example: `  sohost plugin add greeter /srv/plugins/greeter.so
  sohost plugin add counter counter.so --mode dev --route /c --arg step=2`,
		Args: cobra.ExactArgs(2),
	}
	for _, s := range new(pluginConfig).bind() {
		if s.option == "" {
			continue
		}
		value := new(optionFlag)
		flag := cmd.Flags().VarPF(value, strings.TrimSuffix(s.option, ".KEY"), "", strings.ReplaceAll(s.help, "`", ""))
		if flag.DefValue = s.standard(); s.value.kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	server, asJSON := amending(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, err := filepath.Abs(args[1])
		if err != nil {
			return err
		}
		a := control.Amendment{Verb: control.Add, Plugin: args[0], Image: file}
		cmd.Flags().Visit(func(f *pflag.Flag) {
			given, is := f.Value.(*optionFlag)
			for i := 0; is && i < len(*given); i++ {
				option := f.Name + "="
				if f.Name == "arg" {
					option = "arg."
				}
				a.Settings = append(a.Settings, option+(*given)[i])
			}
		})
		if _, err := newPluginConfig(a.Image, a.Settings); err != nil {
			return usageError{err}
		}
		return amend(cmd, server, a, *asJSON)
	}
	return cmd
}

// optionFlag has what was given for an option of a plugin, once or more often.
type optionFlag []string

func (o *optionFlag) String() string        { return strings.Join(*o, ",") }
func (o *optionFlag) Type() string          { return "value" }
func (o *optionFlag) Set(text string) error { *o = append(*o, text); return nil }

func newPluginRemoveCommand() *cobra.Command {
	return pluginCommand(control.Remove, "Remove a plugin that was added by command, or whose file is gone",
		"Remove removes a plugin that was added by command, or one of the plugins directory whose file is gone. Its state is saved, or with\n"+
			"--lose-state may be lost, and is there again if it is added again. A plugin of sohost.toml is removed there.")
}

func newPluginEnableCommand() *cobra.Command {
	return pluginCommand(control.Enable, "Enable a plugin",
		"Enable has the server serve a plugin that is disabled, by command or in sohost.toml: with the image and the state that it had.")
}

func newPluginDisableCommand() *cobra.Command {
	return pluginCommand(control.Disable, "Disable a plugin until it is enabled",
		"Disable takes a plugin out of service until it is enabled, also over restarts. Requests for its routes, and for the chains that it\n"+
			"is in, get 503; none goes to another plugin with a shorter route. Its state is saved, or with --lose-state may be lost. Writes and\n"+
			"times for its triggers pass it by.")
}

// pluginCommand makes a command for one plugin.
func pluginCommand(verb control.Verb, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use: string(verb) + " NAME", Short: short, Long: long, Example: "  sohost plugin " + string(verb) + " greeter", Args: cobra.ExactArgs(1),
	}
	server, asJSON := amending(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return amend(cmd, server, control.Amendment{Verb: verb, Plugin: args[0]}, *asJSON)
	}
	return cmd
}

func newPluginMoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move NAME dev|prod",
		Short: "Move a plugin to dev or prod mode",
		Long: `Move changes a plugin's mode, also over restarts: in dev mode its file is loaded as soon as it changes, in prod mode only by
"sohost deploy".`,
		Example: `  sohost plugin move greeter prod`,
		Args:    cobra.ExactArgs(2),
	}
	server, asJSON := amending(cmd)
	cmd.ValidArgsFunction = completePlugins(server)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := control.Amendment{Verb: control.Move, Plugin: args[0]}
		if err := asOneOf("mode", &a.Mode, "", [2]sohost.Mode{sohost.Dev, sohost.Prod}).fromFlag(args[1]); err != nil {
			return usageError{err}
		}
		return amend(cmd, server, a, *asJSON)
	}
	return cmd
}

// amending adds the flags of a command that changes a plugin.
func amending(cmd *cobra.Command) (clientFunc, *bool) {
	cmd.Flags().Bool("dry-run", false, "only print what would change")
	loseStateFlag(cmd)
	return connect(cmd), jsonFlag(cmd)
}

// amend asks the server for a change, and prints it.
func amend(cmd *cobra.Command, server clientFunc, a control.Amendment, asJSON bool) error {
	client, err := server()
	if err != nil {
		return err
	}
	dryRun, _ := cmd.Flags().GetBool("dry-run")
	loseState, _ := cmd.Flags().GetBool("lose-state")
	client.Patience.Doing = fmt.Sprintf("%s plugin %s", a.Verb, a.Plugin)
	r, err := client.Reload(cmd.Context(), control.ReloadRequest{Why: "sohost plugin " + string(a.Verb), DryRun: dryRun, LoseState: loseState, Amend: &a})
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	return printConfigReload(cmd.OutOrStdout(), r)
}

// printAmended prints what commands have changed of a configuration.
func printAmended(w io.Writer, all []control.Amended) {
	if len(all) == 0 {
		return
	}
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	fmt.Fprintf(w, "config    changed by `sohost plugin`: %s\n", strings.Join(texts, "; "))
}
