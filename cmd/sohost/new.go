package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/sohost/sohost"
	"github.com/spf13/cobra"
)

//go:embed template
var templates embed.FS

// module is the module that package abi belongs to.
const module = "github.com/sohost/sohost"

// kitDir holds this program's copy of the contract in a plugin's own module. The go command ignores folders whose names
// start with a dot, so no ./... pattern matches it.
const kitDir = ".sohost"

var newName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func newNewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Create a plugin to start from",
		Long: `New writes a small stateful plugin that builds as it is. Inside a module that can import package abi, the plugin becomes a
package of that module, below plugins/ if that directory exists. Anywhere else it gets its own module, with a copy of package abi
in the directory .sohost, so that it builds without downloading anything.`,
		Example: `  sohost new greeter
  sohost new greeter --dir ../greeter --module example.com/greeter`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	dir := cmd.Flags().String("dir", "", "`directory` to create (default plugins/NAME or NAME)")
	modulePath := cmd.Flags().String("module", "",
		"`path` of the plugin's own module (default example.com/NAME); with it, the plugin always gets one")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if !newName.MatchString(name) {
			return usageError{fmt.Errorf("name %q: want lower-case letters, digits, - and _, starting with a letter", name)}
		}
		p := newPlugin{Name: name, Dir: *dir, Module: *modulePath}
		if p.Dir == "" {
			p.Dir = name
			if info, err := os.Stat("plugins"); err == nil && info.IsDir() && p.Module == "" {
				p.Dir = filepath.Join("plugins", name)
			}
		}
		if p.Module == "" && !abiInReach(cmd, filepath.Dir(p.Dir)) {
			p.Module = "example.com/" + name
		}
		if err := p.write(); err != nil {
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
}

// printNext prints the commands to go on with.
func (p newPlugin) printNext(w io.Writer) error {
	fmt.Fprintln(w, "next:")
	plugin := filepath.Base(p.Dir)
	return table(w, nil, [][]string{
		{"  sohost build " + dotted(p.Dir), "# build it into " + defaultPlugins + "/" + plugin + ".so"},
		{"  sohost run", "# serve it on http://" + defaultListen + "/" + plugin},
		{"  sohost dev " + dotted(p.Dir), "# in another terminal: rebuild and reload on save"},
	})
}

func (p newPlugin) write() (err error) {
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
		if err := writeKit(filepath.Join(p.Dir, kitDir)); err != nil {
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
	return nil
}

// writeKit writes a module that contains only the contract.
func writeKit(dir string) error {
	source := sohost.ContractSource()
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(name, "_test.go") {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := fs.ReadFile(source, path.Clean(name))
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n\ngo 1.26.0\n"), 0o644)
}

// abiInReach reports whether a package in the directory could import package abi.
func abiInReach(cmd *cobra.Command, dir string) bool {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return false
	}
	list := exec.CommandContext(cmd.Context(), "go", "list", "-find", module+"/abi")
	list.Dir = dir
	return list.Run() == nil
}

// dotted returns the path in a form that the go command treats as a directory.
func dotted(dir string) string {
	if filepath.IsAbs(dir) || strings.HasPrefix(dir, ".") {
		return dir
	}
	return "./" + dir
}
