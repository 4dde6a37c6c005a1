package build

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Options say what to build and for whom. The zero value builds the plugin in the current directory for the running
// executable.
type Options struct {
	// Package is the plugin's package main: its directory, a Go file, or an import path. Default: Dir.
	Package string

	// Dir is where relative names start, and what file names in compile errors are relative to.
	// Default: the current directory.
	Dir string

	// Output is the file to make. Default: build/plugins/<name>.so below Dir, <name> being the last element of the
	// package's directory.
	Output string

	// Host is the binary that will load the image. Its build info says which toolchain and flags to match.
	// Default: the running executable.
	Host string

	// Fresh are patterns of packages that every generation gets anew, beside the plugin's own: those in its directory
	// and below. Patterns are import paths, or directories if they begin with a dot; "..." in one stands for any string.
	Fresh []string

	// Share are patterns of packages that generations share while their content is the same, even if they are the
	// plugin's own or in Fresh. The package main itself is always new.
	Share []string

	// Tags are build tags beside the host's and those of GOFLAGS.
	Tags []string

	// PGO is the profile that the host was built with, for a host that was: it decides what is inlined even in the
	// standard library, so it must be the same one. Other hosts need none. Default: none.
	PGO string

	// DWARF keeps the debugging information. Without it an image is a sixth smaller and linked in two thirds of the time;
	// stack traces and profiles don't need it.
	DWARF bool

	// Env is the environment of the go command. Default: the process's own.
	Env []string

	// Go is the go command. Default: go, looked up in PATH.
	Go string

	// Wrapper is the program that the go command calls as "Wrapper toolexec …"; it must pass what follows on to
	// Toolexec. Default: the running executable.
	Wrapper string

	// Log gets what the go command has to say beside errors, such as what it downloads. Default: nobody.
	Log io.Writer

	// Verbose makes the go command name the packages it compiles, to Log.
	Verbose bool
}

// target is Options.Package seen by the go command: what to name, and where to run.
type target struct {
	dir string // absolute; where the go command runs
	arg string // what it is given
}

// withDefaults returns the options with nothing left empty but Output, which depends on what is found.
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
		// The name under /proc leads to the running file even after an upgrade has put another in its place.
		o.Host = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	} else {
		o.Host = o.abs(o.Host)
	}
	if o.Wrapper == "" {
		o.Wrapper = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	} else {
		o.Wrapper = o.abs(o.Wrapper)
	}
	if o.Output != "" {
		o.Output = o.abs(o.Output)
	}
	if o.PGO != "" {
		o.PGO = o.abs(o.PGO)
	}
	return o, nil
}

func (o Options) abs(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(o.Dir, name)
}

// target finds out whether Package is a directory, a file or an import path. A directory gets the go command to run in
// it, since it may belong to another module than Dir.
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

// looksLikeFile reports whether name can only be meant as a name in the file system, not as an import path.
func looksLikeFile(name string) bool {
	return filepath.IsAbs(name) || name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".go")
}

// defaultOutput is where the image goes when Options.Output doesn't say.
func (o Options) defaultOutput(packageDir string) string {
	return filepath.Join(o.Dir, "build", "plugins", filepath.Base(packageDir)+".so")
}
