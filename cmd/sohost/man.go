package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost/internal/self"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManCommand returns the command by which `make man` writes the man pages.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write a man page of each command into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writeManPages(args[0], cmd.Root())
		},
	}
}

// writeManPages writes the pages of cmd and of all commands below it that --help shows.
func writeManPages(dir string, cmd *cobra.Command) error {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var page strings.Builder
	writeManPage(&page, cmd)
	if err := os.WriteFile(filepath.Join(dir, manName(cmd)+".1"), []byte(page.String()), 0o644); err != nil {
		return err
	}
	for _, below := range cmd.Commands() {
		if below.Hidden {
			continue
		}
		if err := writeManPages(dir, below); err != nil {
			return err
		}
	}
	return nil
}

// manName returns the name of a command's page: its words, joined by dashes.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// writeManPage writes one page in the language of man(7). It has no date, so that two builds of a version have the same pages.
func writeManPage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"sohost %s\" \"\"\n", strings.ToUpper(roff(manName(cmd))), roff(self.Version()))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n%s\n.SH DESCRIPTION\n", roff(cmd.UseLine()))
	writeManText(w, cmd.Long)
	var commands []*cobra.Command
	for _, below := range cmd.Commands() {
		if !below.Hidden {
			commands = append(commands, below)
		}
	}
	if len(commands) > 0 {
		fmt.Fprintln(w, ".SH COMMANDS")
	}
	for _, below := range commands {
		fmt.Fprintf(w, ".TP\n.BR %s (1)\n%s\n", roff(manName(below)), roff(below.Short))
	}
	fmt.Fprintln(w, ".SH OPTIONS")
	cmd.Flags().VisitAll(func(f *pflag.Flag) { writeManFlag(w, f) })
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(cmd.Example))
	}
	if cmd.HasParent() {
		fmt.Fprintf(w, ".SH SEE ALSO\n.BR %s (1)\n", roff(manName(cmd.Parent())))
	}
}

func writeManFlag(w io.Writer, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	argument, usage := pflag.UnquoteUsage(f)
	name := `\fB` + roff("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
	}
	if argument != "" {
		name += ` \fI` + roff(argument) + `\fR`
	}
	switch f.DefValue {
	case "", "false", "0", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	fmt.Fprintf(w, ".TP\n%s\n%s\n", name, roffLines(usage))
}

// writeManText writes paragraphs, and indented lines as they are.
func writeManText(w io.Writer, text string) {
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		fmt.Fprintln(w, ".PP")
		if strings.HasPrefix(block, "  ") {
			fmt.Fprintf(w, ".nf\n%s\n.fi\n", roffLines(block))
		} else {
			fmt.Fprintln(w, roffLines(block))
		}
	}
}

// roffLines returns lines of which none is taken for a request.
func roffLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line = roff(line); strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// roff returns text without the characters that mean something else to troff.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`).Replace(text)
}
