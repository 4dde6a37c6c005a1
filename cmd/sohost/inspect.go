package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/sohost/sohost/native"
	"github.com/spf13/cobra"
)

// inspection is what `sohost inspect` reports about a file.
type inspection struct {
	File  string         `json:"file"`
	Image generations.ID `json:"image"`
	*native.Info

	Descriptor *instance.Description `json:"descriptor,omitempty"` // with --args

	Shared []sharing `json:"shared,omitempty"` // one for each further file
}

// sharing says what an image shares with another: one set of variables in a process that opens both.
type sharing struct {
	File     string   `json:"file"`
	Packages []string `json:"packages"` // import paths of private packages; empty if they share none
}

func newInspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect FILE [OTHER...]",
		Short: "Show what an image is made of, without running it",
		Long: `Inspect reads a plugin image, or any Go program, and shows its identity, toolchain, build settings and modules, and its
packages with the link-time hashes that the Go runtime compares before it loads an image; of a slim image, what it brings along
and how much it takes of each of the host's packages (--json names the symbols). With other images it shows which private
packages these have with the same content: a server has one set of the variables of such a package, for all plugins.

With --args, the image is opened in a process of its own that is thrown away, and the arguments that it takes are listed.`,
		Example: `  sohost inspect build/plugins/counter.so
  sohost inspect --args build/plugins/counter.so
  sohost inspect build/plugins/counter.so build/plugins/wordfreq.so
  sohost inspect --json build/plugins/counter.so | jq .packages`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeImages,
	}
	asJSON := jsonFlag(cmd)
	arguments := cmd.Flags().Bool("args", false, "list the arguments that the image takes, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, err := native.InspectFile(args[0])
		if err != nil {
			return err
		}
		id, err := hashFile(args[0])
		if err != nil {
			return err
		}
		in := inspection{File: args[0], Image: id, Info: info}
		if *arguments {
			if in.Descriptor, err = describe(cmd.Context(), args[0]); err != nil {
				return err
			}
		}
		for _, other := range args[1:] {
			info, err := native.InspectFile(other)
			if err != nil {
				return err
			}
			in.Shared = append(in.Shared, sharing{File: other, Packages: append([]string{}, native.SharedPrivate(in.Info, info)...)})
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), in)
		}
		return printInspection(cmd.OutOrStdout(), in)
	}
	return cmd
}

// facts returns what is known of an image, in words.
func (in inspection) facts() [][]string {
	identity := "plain: a process can load only one build of it"
	if in.Isolated {
		identity = "isolated: loads next to every other build of it"
	}
	rows := [][]string{
		{"image", in.Image.String()},
		{"kind", string(in.Kind)},
		{"platform", in.OS + "/" + in.Arch},
		{"size", size(in.Size)},
		{"toolchain", orDash(in.Toolchain)},
		{"package", orDash(in.Path)},
	}
	if in.Seal != nil {
		rows = append(rows, []string{"seal", "whole: its content is what was built, SHA-256 " + in.Seal.Digest[:12]})
	} else if in.Kind == native.KindPlugin {
		rows = append(rows, []string{"seal", "none: only `sohost build` adds one, so damage can't be told"})
	}
	if in.Kind == native.KindPlugin {
		rows = append(rows, []string{"api", orDash(adapters.Of(in.Info))}, []string{"identity", in.PluginPath}, []string{"", identity},
			[]string{"exports", orDash(strings.Join(in.Symbols, " "))}, []string{"C symbols", orDash(strings.Join(in.CSymbols, " "))})
	}
	for _, c := range in.Contracts {
		rows = append(rows, []string{"contract", c})
	}
	if in.ContractsFault != "" {
		rows = append(rows, []string{"contract", in.ContractsFault})
	}
	rows = append(rows, contents(in.Info)...)
	for _, key := range slices.Sorted(maps.Keys(in.Settings)) {
		rows = append(rows, []string{"build " + key, in.Settings[key]})
	}
	for _, d := range in.Deps {
		rows = append(rows, []string{"module", d.Path + " " + d.Version})
	}
	return rows
}

func printInspection(w io.Writer, in inspection) error {
	look := terminal.LookOf(w)
	for _, row := range in.facts() {
		if _, err := fmt.Fprintln(w, look.Paint(terminal.Faint, fmt.Sprintf("%-18s", row[0])), row[1]); err != nil {
			return err
		}
	}
	if in.Descriptor != nil {
		fmt.Fprintln(w)
		if err := printArguments(w, in.Descriptor); err != nil {
			return err
		}
	}
	if len(in.Shared) > 0 {
		fmt.Fprintln(w)
		var rows [][]string
		for _, s := range in.Shared {
			rows = append(rows, []string{s.File, orDash(strings.Join(s.Packages, " "))})
		}
		if err := table(w, []string{"SHARES WITH", "PACKAGES"}, rows); err != nil {
			return err
		}
	}
	if err := printTakes(w, in.Info); err != nil {
		return err
	}
	if len(in.Packages) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var packages [][]string
	for _, path := range slices.Sorted(maps.Keys(in.Packages)) {
		packages = append(packages, []string{path, in.Packages[path]})
	}
	return table(w, []string{"PACKAGE", "HASH"}, packages)
}

func hashFile(name string) (id generations.ID, err error) {
	f, err := os.Open(name)
	if err != nil {
		return id, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return id, err
	}
	return generations.ID(h.Sum(nil)), nil
}
