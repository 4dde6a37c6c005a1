package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// misspelt returns a name with two of its letters swapped, or "" if it has none that differ.
func misspelt(name string) string {
	for i := 1; i < len(name)-1; i++ { // not at the end: "plugisn" may be plugin as well
		if name[i] != name[i+1] && name[i] != '-' && name[i+1] != '-' {
			return name[:i] + string([]byte{name[i+1], name[i]}) + name[i+2:]
		}
	}
	return ""
}

// says runs a command line, which must be a usage error, and returns the error.
func says(t *testing.T, args ...string) string {
	t.Helper()
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	_, err := root.ExecuteC()
	switch {
	case err == nil:
		t.Errorf("%v succeeds", args)
		return ""
	case strings.HasPrefix(err.Error(), "unknown command"): // main makes one of the root's
	case !errors.As(err, new(usageError)):
		t.Errorf("%v: %v is no usage error", args, err)
	}
	return err.Error()
}

// TestMeant misspells each command, each flag, and each setting of each table of the configuration.
func TestMeant(t *testing.T) {
	for _, cmd := range visible(newRootCommand()) {
		path := strings.Fields(cmd.CommandPath())[1:]
		for _, below := range cmd.Commands() {
			if wrong := misspelt(below.Name()); wrong != "" && !below.Hidden && cmd.HasParent() {
				if said := says(t, append(path, wrong)...); !strings.Contains(said, "did you mean") || !strings.Contains(said, below.Name()) {
					t.Errorf("%v %s: %s", path, wrong, said)
				}
			}
		}
		cmd.InheritedFlags()
		cmd.Flags().VisitAll(func(f *pflag.Flag) { meantFlag(t, cmd, path, f) })
	}
	c := newConfig()
	for table, settings := range map[string][]setting{
		"": c.settings, "[plugin.p]\n": new(pluginConfig).bind(), "[listener.l]\n": bindListener(new(listenerConfig)),
	} {
		for _, s := range settings {
			if wrong := misspelt(s.key); wrong != "" {
				_, err := parseConfig("f", []byte(table+wrong+" = 1\n"))
				if err == nil || !strings.Contains(err.Error(), "did you mean "+s.key+"?") {
					t.Errorf("%s%s: %v", table, wrong, err)
				}
			}
		}
	}
	if _, _, err := parsePlugin("p=p.so,mdoe=dev"); err == nil || !strings.Contains(err.Error(), "did you mean mode?") {
		t.Errorf("--plugin: %v", err)
	}
}

func meantFlag(t *testing.T, cmd *cobra.Command, path []string, f *pflag.Flag) {
	t.Helper()
	wrong := misspelt(f.Name)
	if wrong == "" || f.Hidden || cmd.Flags().Lookup(wrong) != nil {
		return
	}
	if said := says(t, append(path, "--"+wrong)...); !strings.Contains(said, "did you mean --"+f.Name+"?") {
		t.Errorf("%v --%s: %s", path, wrong, said)
	}
}
