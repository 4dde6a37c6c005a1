package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelp checks that the help of every command says what it does, has examples of that command which are valid command
// lines, and explains each flag.
func TestHelp(t *testing.T) {
	root := newRootCommand()
	for _, cmd := range visible(root) {
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s: no description", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long) {
			if n := len(strings.TrimSuffix(line, "\n")); n > 132 {
				t.Errorf("%s: a line of %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.Contains(line, cmd.CommandPath()) {
				t.Errorf("%s: example of another command: %s", cmd.CommandPath(), line)
			}
			checkExample(t, root, line)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: flag --%s is not explained", cmd.CommandPath(), f.Name)
			}
		})
	}
}

// TestPluginFlagHelp names every setting of a plugin in the help of --plugin and in what it says of an unknown one.
func TestPluginFlagHelp(t *testing.T) {
	root := newRootCommand()
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, unknown := parsePlugin("p=p.so,unknown=x")
	for _, s := range new(pluginConfig).bind() {
		if s.option == "" {
			continue
		}
		if usage := run.Flags().Lookup("plugin").Usage; !strings.Contains(usage, ","+s.option+"=") {
			t.Errorf("--plugin: %s: no %s", usage, s.option)
		}
		if unknown == nil || !strings.Contains(unknown.Error(), s.option) {
			t.Errorf("an unknown setting: %v: no %s", unknown, s.option)
		}
	}
}

// visible returns a command and all below it that --help shows.
func visible(cmd *cobra.Command) []*cobra.Command {
	commands := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		if !below.Hidden {
			commands = append(commands, visible(below)...)
		}
	}
	return commands
}

// checkExample parses the command line of an example.
func checkExample(t *testing.T, root *cobra.Command, line string) {
	t.Helper()
	_, line, _ = strings.Cut(line, "sohost ")
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, " |")
	line, _, _ = strings.Cut(line, " >")
	line, _, _ = strings.Cut(line, ")")
	cmd, args, err := root.Find(words(line))
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("example sohost %s: %v", line, err)
	}
}

// words splits a command line as a shell does, as far as examples need it: by spaces outside double quotes.
func words(line string) (all []string) {
	for _, word := range regexp.MustCompile(`(?:"[^"]*"|[^"\s])+`).FindAllString(line, -1) {
		all = append(all, strings.ReplaceAll(word, `"`, ""))
	}
	return all
}
