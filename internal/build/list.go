package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// listed is one package as go list describes it.
type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Standard   bool
	DepOnly    bool
	Module     *listedModule
	Imports    []string
	Error      *listedError

	GoFiles, CgoFiles, CFiles, CXXFiles, MFiles, HFiles, FFiles, SFiles []string
	SwigFiles, SwigCXXFiles, SysoFiles, EmbedFiles, EmbedPatterns       []string

	CgoCFLAGS, CgoCPPFLAGS, CgoLDFLAGS, CgoPkgConfig []string
}

type listedModule struct {
	Path    string
	Version string
	Dir     string
	GoMod   string
	Main    bool
	Replace *listedModule
}

type listedError struct {
	ImportStack []string
	Pos         string
	Err         string
}

// text returns the error with its position or, if it has none, with the chain of imports that led to it: an import cycle is about
// nothing else.
func (e *listedError) text() string {
	switch {
	case e.Pos != "":
		return e.Pos + ": " + e.Err
	case len(e.ImportStack) > 1:
		return fmt.Sprintf("package %s: %s", strings.Join(e.ImportStack, "\n\timports "), e.Err)
	}
	return e.Err
}

// files returns the names of all files of the package, relative to Dir.
func (p *listed) files() []string {
	return slices.Concat(p.GoFiles, p.CgoFiles, p.CFiles, p.CXXFiles, p.MFiles, p.HFiles, p.FFiles, p.SFiles,
		p.SwigFiles, p.SwigCXXFiles, p.SysoFiles, p.EmbedFiles)
}

func (p *listed) usesCgo() bool { return len(p.CgoFiles)+len(p.SwigFiles)+len(p.SwigCXXFiles) > 0 }

// listFields names the fields of listed. go list is asked for these only, as the others cost it more than all of these.
var listFields = func() string {
	var names []string
	for f := range reflect.TypeFor[listed]().Fields() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ",")
}()

// listing holds all packages of a plugin.
type listing struct {
	main *listed
	all  []*listed // dependencies come before the packages that import them; main is last

	library string // the directory of the library that main was generated for, or ""
}

// find returns the package with an import path, or nil.
func (l *listing) find(path string) *listed {
	if i := slices.IndexFunc(l.all, func(p *listed) bool { return p.ImportPath == path }); i >= 0 {
		return l.all[i]
	}
	return nil
}

// paths returns the import paths of all packages.
func (l *listing) paths() map[string]bool {
	paths := make(map[string]bool)
	for _, p := range l.all {
		paths[p.ImportPath] = true
	}
	return paths
}

// list asks the go command for the package and everything it imports.
func list(ctx context.Context, c goCommand, t target, flags []string) (*listing, error) {
	args := slices.Concat([]string{"list", "-e", "-deps", "-json=" + listFields}, flags, []string{"--", t.arg})
	out, err := c.output(ctx, args...)
	if failed := (*goError)(nil); errors.As(err, &failed) {
		return nil, listRefusal(t, failed.output)
	}
	if err != nil {
		return nil, err
	}
	var l listing
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		l.all = append(l.all, &p)
		if !p.DepOnly {
			if l.main != nil {
				return nil, severalPackages(t.arg)
			}
			l.main = &p
		}
	}
	if l.main == nil {
		return nil, &Refusal{Kind: ErrPackage, Reason: t.arg + " names no package",
			Remedy: "name the directory of the plugin's package main"}
	}
	return &l, nil
}

// check refuses what can't be built as a plugin. Sources doesn't call it, because it needs only the listing.
func (l *listing) check(t target, relative func(string) string) error {
	if e := l.main.Error; e != nil && len(l.main.files()) == 0 {
		return listRefusal(t, e.Err)
	}
	var lines []string
	for _, p := range l.all {
		if p.Error == nil {
			continue
		}
		text := p.Error.text()
		if p.ImportPath == abiPath {
			// The go command advises to go get it, which works only where the module can be downloaded.
			text, _, _ = strings.Cut(text, "; to add")
			text += "; run " + contractCommand + " in the plugin's module, which gives it a copy"
		}
		lines = append(lines, relative(text))
	}
	if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "lookup disabled by -mod=vendor") }) {
		lines = append(lines, "the module's vendor directory lacks packages, as that of a module which the go command has fetched does: "+
			"remove the directory, or run go mod vendor")
	}
	if len(lines) > 0 {
		return &CompileError{Package: l.main.ImportPath, Output: strings.Join(lines, "\n")}
	}
	if l.main.Standard {
		return &Refusal{Kind: ErrPackage, Reason: l.main.ImportPath + " is part of the standard library",
			Remedy: "name a package main of your own"}
	}
	if l.main.Name != "main" {
		return &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s is a library", l.main.ImportPath),
			Want: "package main", Found: "package " + l.main.Name,
			Remedy: "name the directory whose files begin with package main, and have a func main() {}; " +
				"or, if it is a plugin of an API whose plugins are libraries, name that with --api: " + strings.Join(librariesOf(), ", ")}
	}
	return nil
}

func severalPackages(name string) error {
	return &Refusal{Kind: ErrPackage, Reason: name + " names several packages", Remedy: "name one package main"}
}

// listRefusal translates an error of go list into a Refusal.
func listRefusal(t target, output string) error {
	text := strings.TrimPrefix(strings.TrimSpace(output), "go: ")
	r := &Refusal{Kind: ErrPackage, Reason: text, Remedy: "name the directory of the plugin's package main"}
	switch {
	case strings.Contains(text, "go.mod file not found"), strings.Contains(text, "does not contain main module"),
		strings.Contains(text, "outside main module"), strings.Contains(text, "outside available modules"):
		r.Reason = fmt.Sprintf("%s belongs to no module", filepath.Join(t.dir, t.arg))
		r.Remedy = "run `go mod init example.com/NAME` and then `sohost new --contract` there"
	case strings.Contains(text, "no Go files in"), strings.Contains(text, "build constraints exclude all Go files"):
		r.Remedy = "name the directory that holds the plugin's package main"
	case strings.Contains(text, "requires go >="), strings.Contains(text, "toolchain not available"):
		r.Kind = ErrToolchain
		r.Remedy = "lower the go line in go.mod, or build host and plugin with that release"
	case strings.Contains(text, "is not in std"):
		r.Reason = fmt.Sprintf("there is no package or directory %s", t.arg)
	case strings.Contains(text, "errors parsing go.work"), strings.Contains(text, "listed in go.work file"):
		r.Kind, r.Remedy = ErrWorkspace, "mend that file, or set GOWORK=off to do without it"
	case strings.Contains(text, "no modules were found in the current workspace"):
		r.Kind, r.Reason, r.Remedy = ErrWorkspace, "go.work lists no module", "run `go work use .` in the plugin's module, or set GOWORK=off"
	case strings.Contains(text, "errors parsing go.mod"):
		r.Remedy = "mend that file"
	case strings.Contains(text, "modules listed in go.work"):
		r.Remedy = "add the module to go.work, or set GOWORK=off"
	}
	return r
}

// contractCommand gives a module the contract, without downloading it.
const contractCommand = "`sohost new --contract`"
