package main

import (
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/sohost/sohost/native"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// checkConfig checks a configuration, and whether the image of each plugin loads and takes the arguments of the plugin and its triggers.
func checkConfig(cmd *cobra.Command, file string, args []string) error {
	others := len(args) > 0
	cmd.Flags().Visit(func(f *pflag.Flag) {
		others = others || f.Name != "config" && cmd.Root().PersistentFlags().Lookup(f.Name) == nil
	})
	if others {
		return usageError{errors.New("--config checks the images that the configuration names: leave the others and other flags out")}
	}
	c, err := loadConfig(file)
	if err != nil {
		return err
	}
	if _, _, err := c.files(); err != nil {
		return err
	}
	process, err := native.Self()
	if err != nil {
		return err
	}
	p := parser{at: c.at}
	for _, name := range c.names() {
		p.checkPlugin(cmd, name, c.Plugin[name], process)
	}
	if err := p.failed(file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; %s checked, with its arguments\n", file,
		terminal.LookOf(cmd.OutOrStdout()).Paint(terminal.Good, "no faults"), count(len(c.Plugin), "image"))
	return err
}

// checkPlugin checks the image of a plugin and the arguments that it would get.
func (p *parser) checkPlugin(cmd *cobra.Command, name string, c pluginConfig, process *native.Process) {
	table := keyPath{"plugin", name}
	r := checkImage(c.Image, "", process)
	r.describe(cmd.Context())
	if !r.OK {
		p.bad(table.with("image"), "plugin %s: image %s would be refused: %s", name, c.Image, r.Message)
		return
	}
	p.checkArguments(name, c, r.Descriptor)
}

// checkArguments compares the arguments of a plugin and its triggers with what its image takes.
func (p *parser) checkArguments(name string, c pluginConfig, takes *instance.Description) {
	table := keyPath{"plugin", name}
	own := adapter.Texts(c.Args, c.Values)
	wrong := map[string]bool{} // by the plugin's own arguments, and no second fault of each trigger
	for _, f := range takes.Faults(own) {
		wrong[f.Name] = true
		p.bad(table.with("args").with(f.Name), "plugin %s: %s", name, f.Text)
	}
	for i, t := range c.Triggers {
		all := maps.Clone(own)
		maps.Copy(all, t.Args)
		for _, f := range takes.Faults(all) {
			if _, given := t.Args[f.Name]; given || !wrong[f.Name] {
				p.bad(table.with("trigger").with(strconv.Itoa(i)).with("args").with(f.Name), "plugin %s, trigger %s: %s", name, t.Name, f.Text)
			}
		}
	}
}
