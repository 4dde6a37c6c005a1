package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestManPages finds a page of each command that --help shows, and in it what its help says: all flags, and each line of its
// description and examples.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRootCommand()
	root.SetArgs([]string{"man", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	commands := visible(root)
	if files, _ := os.ReadDir(dir); len(files) != len(commands) {
		t.Errorf("%d pages of %d commands", len(files), len(commands))
	}
	for _, cmd := range commands {
		page, err := os.ReadFile(filepath.Join(dir, manName(cmd)+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		shown := strings.NewReplacer(`\-`, "-", `\&`, "", `\(ti`, "~", `\(ha`, "^", `\e`, `\`).Replace(string(page))
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example + "\n") {
			if !strings.Contains(shown, line) {
				t.Errorf("%s: no line %q", cmd.CommandPath(), line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(shown, `\fB--`+f.Name+`\fR`) {
				t.Errorf("%s: no flag --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
}

func TestRoff(t *testing.T) {
	const text = ".so /etc/passwd\n'tis\n-a \\b"
	if got, want := roffLines(text), "\\&.so /etc/passwd\n\\&'tis\n\\-a \\eb"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
