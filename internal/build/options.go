package build

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost/internal/adapters"
)

// Options holds the options of Build and Sources. The zero value builds the plugin in the current directory for the running
// executable.
type Options struct {
	// Package is the plugin's package main: its directory, a Go file, or an import path. Default: Dir.
	Package string

	// Dir is the directory for relative names in these options. File names in compile errors are relative to it too.
	// Default: the current directory.
	Dir string

	// Output is the file to write. Default: build/plugins/<name>.so below Dir, where <name> is the last element of the
	// package's directory.
	Output string

	// Host is the binary that will load the image. Its build info has the toolchain and flags to match.
	// Default: the running executable.
	Host string

	// Fresh holds patterns of packages that are new in every generation, besides the plugin's own packages, which lie in its
	// directory and below. Patterns are import paths, or directories if they begin with a dot; "..." matches any string.
	Fresh []string

	// NotFresh holds patterns of packages that aren't new in every generation, even if they are the plugin's own or match Fresh:
	// generations have one copy of them while their content is the same. Package main itself is always new.
	NotFresh []string

	// API is the plugin API that the package is written for: sohost, or that of another program, see package adapters. Default: what its
	// exported variables tell.
	API string

	// Tags holds build tags, in addition to the host's and those of GOFLAGS.
	Tags []string

	// LDFlags holds flags for the linker, in place of those of GOFLAGS, separated by spaces: "-X main.version=1.2" sets a string
	// variable. They are part of the image's identity. Packages have the import paths that the sources know.
	LDFlags string

	// PGO is the profile that the host was built with, if any. It determines what is inlined even in the standard library,
	// so it must be the same one. Default: none.
	PGO string

	// DWARF keeps the debugging information. Without it an image is a sixth smaller and links in two thirds of the time.
	// Stack traces and profiles don't need it.
	DWARF bool

	// Full makes an image that has all of its packages. Default: it takes those of the host from there, where that is possible;
	// Result says whether it was.
	Full bool

	// Env is the environment of the go command. Default: the process's own.
	Env []string

	// Go is the go command. Default: go, looked up in PATH.
	Go string

	// Log gets the go command's messages other than errors, such as what it downloads. Default: they are discarded.
	Log io.Writer

	// Explain makes Build say of each package where it comes from, in Result.Packages.
	Explain bool

	// Compiling, if not nil, is called with each package that the go command begins to compile, and with how many the image has in all;
	// most of them are in its cache as a rule. It is called by one goroutine at a time, and must not block.
	Compiling func(path string, all int)

	watch  *stopwatch
	forget bool                    // ask the go command, whatever is remembered
	asked  func(tool string) error // in tests: called for each tool whose arguments are to change

	// Verbose makes the go command name the packages it compiles, to Log.
	Verbose bool
}

// target is Options.Package as the go command gets it.
type target struct {
	dir string // where the go command runs; absolute
	arg string // its argument
}

// withDefaults returns the options with their defaults, except Output, whose default depends on the package.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		o.Dir = "."
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("find the current directory: %w", err)
	}
	o.Dir = dir
	if o.Package == "" {
		o.Package = "."
	}
	if o.API != "" {
		if err := adapters.Valid(o.API); err != nil {
			return o, &Refusal{Kind: ErrPackage, Reason: err.Error(), Remedy: "correct the name of the API, or leave it out"}
		}
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.Go == "" {
		o.Go = "go"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Host == "" {
		// The name under /proc leads to the running file even after an upgrade has replaced it.
		o.Host = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	} else {
		o.Host = o.abs(o.Host)
	}
	if o.Output != "" {
		o.Output = o.abs(o.Output)
	}
	if o.PGO != "" {
		o.PGO = o.abs(o.PGO)
	}
	return o, nil
}

// pgoFlag returns the flag of the go command for the profile. Without it, package main's own profile would count.
func (o Options) pgoFlag() []string {
	if o.PGO != "" {
		return []string{"-pgo=" + o.PGO}
	}
	return []string{"-pgo=off"}
}

func (o Options) abs(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(o.Dir, name)
}

// target finds out whether Package is a directory, a file or an import path. For a directory the go command runs in it,
// because it may belong to another module than Dir.
func (o Options) target() (target, error) {
	name := o.abs(o.Package)
	fi, err := os.Stat(name)
	switch {
	case strings.Contains(o.Package, "..."):
		return target{}, severalPackages(o.Package)
	case err == nil && fi.IsDir():
		return target{dir: name, arg: "."}, nil
	case err == nil && strings.HasSuffix(name, ".go"):
		return target{dir: filepath.Dir(name), arg: filepath.Base(name)}, nil
	case err == nil:
		return target{}, &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s is neither a directory nor a Go file", o.Package),
			Remedy: "name the directory of the plugin's package main"}
	case looksLikeFile(o.Package):
		return target{}, &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("there is no directory %s", o.Package),
			Remedy: "name the directory of the plugin's package main"}
	}
	return target{dir: o.Dir, arg: o.Package}, nil
}

// looksLikeFile reports whether name can only be a file name, not an import path.
func looksLikeFile(name string) bool {
	return filepath.IsAbs(name) || name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".go")
}

// defaultOutput returns the default of Options.Output.
func (o Options) defaultOutput(packageDir string) string {
	return filepath.Join(o.Dir, "build", "plugins", filepath.Base(packageDir)+".so")
}
