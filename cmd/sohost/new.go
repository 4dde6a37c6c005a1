package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"text/template"

	"github.com/sohost/sohost/internal/build"
	"github.com/spf13/cobra"
)

//go:embed template
var templates embed.FS

var newName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]*$`) })

func newNewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new NAME | new --contract [DIRECTORY]",
		Short: "Create a plugin to start from",
		Long: `New writes a small stateful plugin that builds as it is. Inside a module the plugin becomes a package of that module, below
plugins/ if that directory exists, and can import all its packages. Outside, it gets a module of its own.

A module that can't import the contract, package abi, gets a copy of it in the directory .sohost, so that it builds without
downloading anything. The copy fits this program. With --contract no plugin is written: the module in DIRECTORY, by default the
current one, gets the copy, or a newer one in place of an older.

With --host the plugin is one for PROGRAM, which embeds the library. New prints how the module gets the contracts that
PROGRAM names, the packages that it shares with its plugins.`,
		Example: `  sohost new greeter
  sohost new greeter --dir ../greeter --module example.com/greeter
  sohost new pricer --host ./myserver
  sohost new --contract`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	dir := cmd.Flags().String("dir", "", "`directory` to create (default plugins/NAME or NAME)")
	modulePath := cmd.Flags().String("module", "",
		"`path` of the plugin's own module (default example.com/NAME); with it, the plugin always gets one")
	contract := cmd.Flags().Bool("contract", false, "give a module the contract of this program, or renew its copy")
	host := cmd.Flags().String("host", "", "`program` that will load the plugin (default: this one)")
	cmd.MarkFlagsMutuallyExclusive("contract", "dir")
	cmd.MarkFlagsMutuallyExclusive("contract", "module")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var contracts []build.Contract
		if *host != "" {
			var err error
			if contracts, err = build.HostContracts(*host); err != nil {
				return err
			}
		}
		if *contract {
			return newContract(cmd, args, *asJSON, *host, contracts)
		}
		if len(args) == 0 {
			return usageError{fmt.Errorf("missing argument: sohost new NAME [flags]; see \"sohost new --help\"")}
		}
		name := args[0]
		if !newName().MatchString(name) {
			return usageError{fmt.Errorf("name %q: want lower-case letters, digits, - and _, starting with a letter", name)}
		}
		p := newPlugin{Name: name, Dir: *dir, Module: *modulePath, Host: *host, Contracts: contracts}
		if p.Dir == "" {
			p.Dir = name
			if info, err := os.Stat("plugins"); err == nil && info.IsDir() && p.Module == "" {
				p.Dir = filepath.Join("plugins", name)
			}
		}
		if err := p.write(cmd.Context()); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), p)
		}
		fmt.Fprintln(cmd.OutOrStdout(), p.Dir)
		return p.printNext(cmd.ErrOrStderr())
	}
	return cmd
}

// newPlugin is a plugin to write.
type newPlugin struct {
	Name   string `json:"name"`
	Dir    string `json:"dir"`
	Module string `json:"module,omitempty"` // "" if it is part of another module

	Contract *contractCopy `json:"contract,omitempty"` // what the other module got for it

	Host      string           `json:"host,omitempty"`      // the program that it is for, if that isn't this one
	Contracts []build.Contract `json:"contracts,omitempty"` // that the program names
}

// newContract is `sohost new --contract`.
func newContract(cmd *cobra.Command, args []string, asJSON bool, host string, contracts []build.Contract) error {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	goMod, err := moduleOf(cmd.Context(), dir)
	if err != nil {
		return err
	}
	if goMod == "" {
		return fmt.Errorf("%s belongs to no module; run go mod init there first", dir)
	}
	c, err := putContract(cmd.Context(), goMod)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), c)
	}
	state := ""
	if !c.Changed {
		state = " (unchanged)"
	}
	if _, err = fmt.Fprintln(cmd.OutOrStdout(), relative(c.Dir)+state); err != nil || len(contracts) == 0 {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "next:")
	return table(cmd.ErrOrStderr(), nil, contractSteps(dir, host, contracts))
}

// printNext prints the commands to go on with.
func (p newPlugin) printNext(w io.Writer) error {
	fmt.Fprintln(w, "next:")
	plugin := filepath.Base(p.Dir)
	var rows [][]string
	if p.Contract != nil {
		root := filepath.Dir(p.Contract.GoMod)
		if _, err := os.Stat(filepath.Join(root, "vendor/modules.txt")); err == nil {
			rows = append(rows, []string{"  go -C " + quoted(dotted(relative(root))) + " mod vendor", "# go.mod has changed: it requires the contract, in " +
				relative(p.Contract.Dir)})
		} else {
			fmt.Fprintf(w, "  %s requires the contract now, from the copy in %s; commit both\n", relative(p.Contract.GoMod), relative(p.Contract.Dir))
		}
	}
	if p.Host != "" {
		rows = append(rows, contractSteps(p.Dir, p.Host, p.Contracts)...)
		return table(w, nil, append(rows, []string{"  sohost build --host " + quoted(p.Host) + " " + quoted(dotted(p.Dir)),
			"# build it into " + defaultPlugins + "/" + plugin + ".so, for " + filepath.Base(p.Host)}))
	}
	return table(w, nil, append(rows, [][]string{
		{"  sohost build " + quoted(dotted(p.Dir)), "# build it into " + defaultPlugins + "/" + plugin + ".so"},
		{"  sohost run", "# serve it on http://" + defaultListen + "/" + plugin},
		{"  sohost dev " + quoted(dotted(p.Dir)), "# in another terminal: rebuild and reload on save"},
	}...))
}

// write writes the plugin's files. After an error none of them is left.
func (p *newPlugin) write(ctx context.Context) (err error) {
	goMod := ""
	if p.Module == "" {
		if goMod, err = moduleOf(ctx, filepath.Dir(filepath.Clean(p.Dir))); err != nil {
			return err
		}
		if goMod == "" {
			p.Module = "example.com/" + p.Name
		}
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(p.Dir)), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(p.Dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s already exists; name another directory with --dir", p.Dir)
		}
		return err
	}
	defer func() {
		if err != nil { // leave nothing half-written
			err = errors.Join(err, os.RemoveAll(p.Dir))
		}
	}()
	files := map[string]string{"plugin.go.tmpl": "plugin.go"}
	if p.Module != "" {
		files["go.mod.tmpl"] = "go.mod"
		if _, err := writeContract(filepath.Join(p.Dir, build.ContractDir)); err != nil {
			return err
		}
	}
	t, err := template.ParseFS(templates, "template/*.tmpl")
	if err != nil {
		return err
	}
	for from, to := range files {
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, from, p); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.Dir, to), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if goMod != "" && !abiInReach(ctx, p.Dir) {
		p.Contract, err = putContract(ctx, goMod)
	}
	return err
}

// dotted returns the path in a form that the go command treats as a directory.
func dotted(dir string) string {
	if filepath.IsAbs(dir) || strings.HasPrefix(dir, ".") {
		return dir
	}
	return "./" + dir
}

// quoted returns an argument as a shell takes it.
func quoted(arg string) string {
	if plainArgument().MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

var plainArgument = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w@%+=:,./-]+$`) })
