package native

import (
	"runtime/debug"
	"strings"
)

// Kind is what an ELF file is to a Go host.
type Kind string

// The kinds that Inspect distinguishes.
const (
	KindPlugin       Kind = "go-plugin"     // go build -buildmode=plugin
	KindGoExecutable Kind = "go-executable" // go build
	KindGoShared     Kind = "go-shared"     // go build -buildmode=c-shared or shared
	KindExecutable   Kind = "executable"    // a program in another language
	KindCLibrary     Kind = "c-library"     // a shared library in another language
	KindObject       Kind = "object"        // a relocatable object, not yet linked
	KindOther        Kind = "other"         // anything else, such as a core dump
)

// describe returns the kind in words.
func (k Kind) describe() string {
	switch k {
	case KindPlugin:
		return "a Go plugin"
	case KindGoExecutable:
		return "a Go executable"
	case KindGoShared:
		return "a Go shared library"
	case KindExecutable:
		return "an executable"
	case KindCLibrary:
		return "a C shared library"
	case KindObject:
		return "an object file"
	}
	return "another ELF file"
}

// Info has the facts that a file states about itself. The same bytes always yield the same Info. Fields are empty if the file
// states nothing.
type Info struct {
	Kind Kind   `json:"kind"`
	OS   string `json:"os"`   // GOOS
	Arch string `json:"arch"` // GOARCH, from the ELF header; the lower-case ELF name if Go has none
	Size int64  `json:"size"` // bytes of the file

	// MemSize is the size in bytes of the address space that the image takes once mapped.
	MemSize int64 `json:"mem_size"`

	// PluginPath is the link-time identity of a plugin. A process can open each identity only once, whatever the file.
	PluginPath string `json:"plugin_path,omitempty"`

	// Isolated reports whether PluginPath is derived from the content, as <import path>_g<12 characters>, so that every build
	// has its own. The seal says so.
	Isolated bool `json:"isolated"`

	// Seal is what `sohost build` has added: nil for other images.
	Seal *Seal `json:"seal,omitempty"`

	// Faults are what keeps a plugin from the dynamic loader. Only plugins are examined for them.
	Faults []Fault `json:"faults,omitempty"`

	// Toolchain is the Go release that built the file, such as "go1.26.8", without experiments.
	Toolchain string `json:"toolchain,omitempty"`

	// Path is the import path of the main package as the go command knew it.
	Path string `json:"path,omitempty"`

	// Settings are the build settings, such as "-race" and "GOAMD64".
	Settings map[string]string `json:"settings,omitempty"`

	Main debug.Module    `json:"main"`
	Deps []*debug.Module `json:"deps,omitempty"`

	// Packages maps the import path of each Go package in the file to its link-time hash in hexadecimal. Only plugins, and
	// executables that can load plugins, have any.
	Packages map[string]string `json:"packages,omitempty"`

	// Contracts are the packages that a host program shares with its plugins besides package abi, as it names them itself: see
	// ContractsVariable. Sorted. Only executables that can load plugins have any.
	Contracts []string `json:"contracts,omitempty"`

	// ContractsFault says why the contracts can't be read.
	ContractsFault string `json:"contracts_fault,omitempty"`

	// Symbols are the exported variables and functions of the main package, sorted.
	Symbols []string `json:"symbols,omitempty"`

	// Takes are the symbols of Go packages that a plugin refers to and doesn't have, sorted: a slim image takes them from the host.
	// An image that is open has given them up.
	Takes []string `json:"takes,omitempty"`

	// CSymbols are the symbols that the file defines for the whole process and that belong neither to a Go package nor to the
	// Go runtime: those of C code, and of assembly with unqualified names. Sorted.
	CSymbols []string `json:"c_symbols,omitempty"`

	// CPackages are the packages outside the standard library that use cgo, sorted.
	CPackages []string `json:"c_packages,omitempty"`

	// Libraries are the shared libraries that the file needs.
	Libraries []string `json:"libraries,omitempty"`
}

// CanLoadPlugins reports whether the file is an executable with the plugin support of the Go runtime linked in.
func (i *Info) CanLoadPlugins() bool {
	return i.Kind == KindGoExecutable && len(i.Packages) > 0
}

// Standard reports whether the package belongs to the standard library, as far as the file shows.
func (i *Info) Standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	switch {
	case strings.Contains(first, "."), pkg == "main", pkg == i.PluginPath, strings.HasPrefix(pkg, "plugin/unnamed-"):
		return false
	case i.marked(pkg):
		return false
	}
	// The path of a module that is never downloaded need not have a dot in its first element.
	return i.Module(pkg) == nil
}

// Module returns the module that the package comes from, replacements resolved, or nil if the file names none.
func (i *Info) Module(pkg string) *debug.Module {
	pkg = i.importPath(pkg)
	var best *debug.Module
	for _, m := range append([]*debug.Module{&i.Main}, i.Deps...) {
		if within(pkg, m.Path) && (best == nil || len(m.Path) > len(best.Path)) {
			best = m
		}
	}
	if best != nil && best.Replace != nil {
		return best.Replace
	}
	return best
}

// within reports whether the package belongs to the tree of path.
func within(pkg, path string) bool {
	return path != "" && strings.HasPrefix(pkg, path) && (len(pkg) == len(path) || pkg[len(path)] == '/')
}
