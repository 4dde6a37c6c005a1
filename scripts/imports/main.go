// Imports draws which packages of this module import which, and counts how tangled their files are.
//
//	go run ./scripts/imports                         print both
//	go run ./scripts/imports -check ARCHITECTURE.md  fail unless the picture in this file is current
//	go run ./scripts/imports -write ARCHITECTURE.md  renew it
//	go run ./scripts/imports -dir DIR                look at another checkout
//
// The picture stands between the lines <!-- imports --> and <!-- /imports -->.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "imports:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("imports", flag.ContinueOnError)
	f.SetOutput(stderr)
	dir := f.String("dir", ".", "`directory` of the module")
	check := f.String("check", "", "fail unless the picture in this `file` is current")
	write := f.String("write", "", "renew the picture in this `file`")
	verbose := f.Bool("v", false, "print each package's best order of files, and the references that point up in it")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || f.NArg() > 0 {
		return errUsage
	}
	if file := *check + *write; file != "" {
		pkgs, err := list(*dir, false)
		if err != nil {
			return err
		}
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		renewed, err := renew(string(old), picture(pkgs))
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		case renewed == string(old):
			return nil
		case *check != "":
			return fmt.Errorf("the picture in %s is out of date: renew it with go run ./scripts/imports -write %s", file, file)
		}
		return os.WriteFile(file, []byte(renewed), 0o644)
	}
	pkgs, err := list(*dir, true)
	if err != nil {
		return err
	}
	counts, err := count(pkgs)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s", picture(pkgs), counts.text(*verbose))
	return err
}

// A pkg is what go list says about a package.
type pkg struct {
	ImportPath, Name, Dir, Export string
	GoFiles, CgoFiles, Imports    []string
	Module                        *struct {
		Path string
		Main bool
	}

	short string // below the module, or the module's own last element; empty if the package isn't part of the product
}

// list returns the packages of the module in dir, those imported first. With export it returns all that they depend on too,
// compiled.
func list(dir string, export bool) ([]*pkg, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles,CgoFiles,Imports,Module"}
	if export {
		args = append(args, "-export")
	}
	cmd := exec.Command("go", append(args, "./...")...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var pkgs []*pkg
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		p := new(pkg)
		if err := d.Decode(p); err != nil {
			return nil, err
		}
		if p.Module != nil && p.Module.Main {
			p.short = shorten(p.ImportPath, p.Module.Path)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs, nil
}

// shorten returns "" for examples, tests and tools.
func shorten(importPath, module string) string {
	rest, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return path.Base(module)
	}
	if first, _, _ := strings.Cut(rest, "/"); slices.Contains([]string{"integration", "plugins", "scripts"}, first) {
		return ""
	}
	return rest
}
